/** Rows of the timeline for one client of a stream: what it missed first, then each as it is written, once and in order. */
import { type StreamTopic, topicOfKind } from "../../contract/stream-topics.ts";
import { kindOf, toRow } from "../../contract/stream-wire.ts";
import type { EventRow, TimelineRow } from "../../core/events.ts";
import type { ServerPorts } from "../server-ports.ts";
import { onceEach } from "./once-each.ts";
import { encodeSse, type SseChannel } from "./sse-channel.ts";

/** A client that missed more rows than this gets a snapshot. */
const longestReplayCount = 2_000;
const replayBatchCount = 200;

const encodeRow = onceEach((row: TimelineRow) => encodeSse({ event: kindOf(row), id: row.seq, data: toRow(row) }));

/** The row after which to go on; null asks for a snapshot: no id, an unknown one, or one from the future. */
export async function replayStart(
  ports: Pick<ServerPorts, "events">,
  header: string | undefined,
): Promise<number | null> {
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
  /** The row up to which the client knows everything of its topics. */
  readonly lastSeq: () => number;
}

/** What a stream says before and after the rows that a client had missed. */
interface Greetings {
  /** The state as of one row. */
  readonly snapshot: () => Promise<{ readonly seq: number }>;
  /** Frames that are no rows, as they are now: they may have changed while the client was away. */
  readonly afterReplay: () => void;
}

/** Feeds one client: first what it missed, then rows as they are written, in order and each once. */
export function createRowFeed(
  ports: Pick<ServerPorts, "events">,
  topics: ReadonlySet<StreamTopic>,
  channel: () => SseChannel,
  greetings: Greetings,
): RowFeed {
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
    const snapshot = await greetings.snapshot();
    lastSeq = snapshot.seq;
    channel().send(encodeSse({ event: "snapshot", id: snapshot.seq, data: snapshot }));
    await catchUp(begun);
  };
  const replay = async (after: number, begun: number): Promise<void> => {
    lastSeq = after;
    await catchUp(begun);
    greetings.afterReplay();
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
    lastSeq: () => lastSeq,
  };
}
