/** Routes of server-sent events: the event log as it grows, and the health of host and card. */
import { streamEvents, streamHealth } from "../../contract/api/stream-api.ts";
import { toDownload } from "../../contract/model-wire.ts";
import { toAttempt, toHealth, toHealthStatus, toSystemStatus } from "../../contract/recovery-wire.ts";
import { toStats } from "../../contract/stats-wire.ts";
import { type StreamTopic, topicOfKind, topicsOf } from "../../contract/stream-topics.ts";
import { kindOf, toProgress, toRow } from "../../contract/stream-wire.ts";
import type { EventRow, TimelineRow } from "../../core/events.ts";
import type { ApiApp } from "../api-app.ts";
import type { OpenStreams } from "../open-streams.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";
import { makeSnapshot } from "../streams/make-snapshot.ts";
import { onceEach } from "../streams/once-each.ts";
import { openStream, type StreamParts } from "../streams/open-stream.ts";
import { encodeSse, type SseChannel, type SseEvent } from "../streams/sse-channel.ts";
import type { StreamHub } from "../streams/stream-hub.ts";

/** A client that missed more rows than this gets a snapshot. */
const longestReplayCount = 2_000;
const replayBatchCount = 200;

const encodeRow = onceEach((row: TimelineRow) => encodeSse({ event: kindOf(row), id: row.seq, data: toRow(row) }));

/**
 * Frames without a number, the notifications of the compatible clients among them. A reader that misses one misses
 * nothing that a later one does not say.
 */
function toSseFrames(frame: StreamFrame): SseEvent[] {
  switch (frame.kind) {
    case "progress":
      return [{ event: "progress", data: toProgress(frame.progress) }];
    case "health":
      return [
        { event: "health", data: toHealth(frame.health) },
        { event: "health_status", data: toHealthStatus(frame.health) },
      ];
    case "sample":
      return [{ event: "system_stats", data: toStats(frame.sample) }];
    case "download":
      return [{ event: "download_progress", data: toDownload(frame.download) }];
    case "mode":
      return [
        { event: "mode", data: { mode: frame.mode, sentence: frame.sentence } },
        { event: "system_status", data: toSystemStatus(frame.mode, frame.sentence) },
      ];
    case "recoveryAttempt":
      return [{ event: "recovery_attempt", data: toAttempt(frame.attempt) }];
    case "step":
      // Steps have a stream of their own; in this one their rows tell the same.
      return [];
  }
}

const encodeFrame = onceEach((frame: StreamFrame) => toSseFrames(frame).map(encodeSse));

const topicOfFrame: Readonly<Record<StreamFrame["kind"], StreamTopic>> = {
  progress: "jobs",
  health: "health",
  sample: "health",
  mode: "service",
  download: "workers",
  recoveryAttempt: "incidents",
  step: "machines",
};

/** The row after which to go on; null asks for a snapshot: no id, an unknown one, or one from the future. */
async function replayStart(ports: ServerPorts, header: string | undefined): Promise<number | null> {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return null;
  const after = Number(header);
  const [oldest, newest] = await Promise.all([ports.events.oldestSeq(), ports.events.newestSeq()]);
  const isKnown = after >= oldest && after <= newest;
  return isKnown && newest - after <= longestReplayCount ? after : null;
}

interface RowFeed {
  readonly rows: (rows: readonly EventRow[]) => void;
  /** Begins after a row; null begins with a snapshot. */
  readonly begin: (after: number | null) => Promise<void>;
}

/** Feeds one client: first what it missed, then rows as they are written, in order and each once. */
function createRowFeed(ports: ServerPorts, topics: ReadonlySet<StreamTopic>, channel: () => SseChannel): RowFeed {
  let lastSeq = 0;
  /** While the client is behind, rows that are written are not held in memory: they are read from the log again. */
  let isLive = false;
  let hasMissed = false;
  /** A client that lags begins again, and what was under way for it ends. */
  let beginCount = 0;
  const send = (row: TimelineRow): void => {
    if (row.seq <= lastSeq) return;
    lastSeq = row.seq;
    if (topics.has(topicOfKind(kindOf(row)))) channel().send(encodeRow(row));
  };
  const catchUp = async (begun: number): Promise<void> => {
    for (;;) {
      hasMissed = false;
      const batch = await ports.events.range(lastSeq, replayBatchCount);
      for (const row of batch) send(row);
      // A batch fits the client's queue; the next one waits until it has been read.
      await channel().drained();
      if (channel().isClosed() || begun !== beginCount) return;
      if (batch.length < replayBatchCount && !hasMissed) break;
    }
    isLive = true;
  };
  const sendSnapshot = async (begun: number): Promise<void> => {
    const snapshot = await makeSnapshot(ports);
    lastSeq = snapshot.seq;
    channel().send(encodeSse({ event: "snapshot", id: snapshot.seq, data: snapshot }));
    await catchUp(begun);
  };
  const replay = async (after: number, begun: number): Promise<void> => {
    lastSeq = after;
    await catchUp(begun);
    const { mode, sentence } = ports.status();
    channel().send(encodeSse({ event: "mode", data: { mode, sentence } }));
  };
  return {
    rows: (rows) => {
      if (isLive) for (const row of rows) send(row);
      else hasMissed = true;
    },
    begin: (after) => {
      isLive = false;
      beginCount += 1;
      return after === null ? sendSnapshot(beginCount) : replay(after, beginCount);
    },
  };
}

export function addEventStreamRoutes(app: ApiApp, ports: ServerPorts, hub: StreamHub, streams: OpenStreams): void {
  const parts: StreamParts = { ports, hub, streams };
  app.openapi(streamEvents, async (context) => {
    const topics = topicsOf(context.req.valid("query").topics);
    const start = await replayStart(ports, context.req.valid("header")["last-event-id"]);
    return openStream(context, parts, (channel) => {
      const feed = createRowFeed(ports, topics, channel);
      let after = start;
      return {
        rows: feed.rows,
        frame: (frame) => {
          if (frame.kind !== "sample" && topics.has(topicOfFrame[frame.kind]))
            for (const event of encodeFrame(frame)) channel().send(event);
        },
        begin: () => {
          const from = after;
          after = null;
          return feed.begin(from);
        },
      };
    });
  });
  app.openapi(streamHealth, (context) =>
    openStream(context, parts, (channel) => ({
      rows: () => undefined,
      frame: (frame) => {
        if (frame.kind !== "progress" && frame.kind !== "download")
          for (const event of encodeFrame(frame)) channel().send(event);
      },
      begin: async () => {
        const { health, mode, sentence } = ports.status();
        const known = health === null ? { overall_status: "unknown" } : toHealth(health);
        channel().send(encodeSse({ event: "snapshot", data: { ...known, mode, sentence } }));
      },
    })),
  );
}
