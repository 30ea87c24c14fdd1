/** Routes of server-sent events: the event log as it grows, and the health of host and card. */
import { streamEvents, streamHealth } from "../../contract/api/stream-api.ts";
import { toDownload } from "../../contract/model-wire.ts";
import { toAttempt, toHealth, toHealthStatus, toSystemStatus } from "../../contract/recovery-wire.ts";
import { toStats } from "../../contract/stats-wire.ts";
import { type StreamTopic, topicsOf } from "../../contract/stream-topics.ts";
import { toHealthSnapshot, toProgress } from "../../contract/stream-wire.ts";
import type { ApiApp } from "../api-app.ts";
import type { OpenStreams } from "../open-streams.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";
import { makeSnapshot } from "../streams/make-snapshot.ts";
import { onceEach } from "../streams/once-each.ts";
import { openStream, type StreamParts } from "../streams/open-stream.ts";
import { createRowFeed, replayStart } from "../streams/row-feed.ts";
import { encodeSse, type SseEvent } from "../streams/sse-channel.ts";
import type { StreamHub } from "../streams/stream-hub.ts";

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
    case "sentence":
      return [{ event: "mode", data: { mode: frame.mode, sentence: frame.sentence } }];
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
  sentence: "service",
  download: "workers",
  recoveryAttempt: "incidents",
  step: "machines",
};

const healthFrames: ReadonlySet<StreamFrame["kind"]> = new Set(["health", "recoveryAttempt"]);
const otherFrames: ReadonlySet<StreamFrame["kind"]> = new Set(["sample", "mode"]);

/**
 * Health and incidents alone. Every frame carries a number: that of the last row that the client knows of, so that a
 * client that was cut off goes on from there whatever it heard last.
 */
function addHealthStream(app: ApiApp, parts: StreamParts): void {
  const { ports } = parts;
  app.openapi(streamHealth, async (context) => {
    const isHealthAlone = context.req.valid("query").topics === "health";
    const start = await replayStart(ports, context.req.valid("header")["last-event-id"]);
    return openStream(context, parts, (channel) => {
      const tell = (frame: StreamFrame): void => {
        if (!healthFrames.has(frame.kind) && (isHealthAlone || !otherFrames.has(frame.kind))) return;
        for (const event of toSseFrames(frame)) channel().send(encodeSse({ ...event, id: feed.lastSeq() }));
      };
      const feed = createRowFeed(ports, topicsOf("health"), channel, {
        snapshot: async () => toHealthSnapshot(ports.status(), await ports.events.newestSeq()),
        afterReplay: () => {
          const { health, mode, sentence } = ports.status();
          if (health !== null) tell({ kind: "health", health });
          tell({ kind: "mode", mode, sentence });
        },
      });
      let after = start;
      return {
        rows: feed.rows,
        frame: tell,
        begin: () => {
          const from = after;
          after = null;
          return feed.begin(from);
        },
      };
    });
  });
}

export function addEventStreamRoutes(app: ApiApp, ports: ServerPorts, hub: StreamHub, streams: OpenStreams): void {
  const parts: StreamParts = { ports, hub, streams };
  app.openapi(streamEvents, async (context) => {
    const topics = topicsOf(context.req.valid("query").topics);
    const start = await replayStart(ports, context.req.valid("header")["last-event-id"]);
    return openStream(context, parts, (channel) => {
      const feed = createRowFeed(ports, topics, channel, {
        snapshot: () => makeSnapshot(ports),
        afterReplay: () => {
          const { mode, sentence } = ports.status();
          channel().send(encodeSse({ event: "mode", data: { mode, sentence } }));
        },
      });
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
  addHealthStream(app, parts);
}
