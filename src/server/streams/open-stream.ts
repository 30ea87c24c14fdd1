/** Opens one stream of server-sent events. */
import type { EventRow } from "../../core/events.ts";
import type { HttpContext } from "../http-types.ts";
import type { OpenStreams } from "../open-streams.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";
import { createSseChannel, type SseChannel } from "./sse-channel.ts";
import type { StreamHub } from "./stream-hub.ts";

const streamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  // nginx would hold events back.
  "x-accel-buffering": "no",
};

export interface StreamParts {
  readonly ports: ServerPorts;
  readonly hub: StreamHub;
  readonly streams: OpenStreams;
}

export interface Feed {
  readonly rows: (rows: readonly EventRow[]) => void;
  readonly frame: (frame: StreamFrame) => void;
  /** Sends what the client must know first, also after it lagged. */
  readonly begin: () => Promise<void>;
}

/** Opens the stream at once; what the client must know first follows when it has been read. */
export function openStream(
  context: HttpContext,
  { ports, hub, streams }: StreamParts,
  makeFeed: (channel: () => SseChannel) => Feed,
): Response {
  if (streams.hasEnded()) return refuse(context, { code: "DRAINING", detail: "The service is stopping." });
  const begin = (): void => {
    feed.begin().catch((thrown: unknown) => {
      ports.onDefect(thrown, {
        requestId: context.get("requestId"),
        method: context.req.method,
        path: context.req.path,
      });
      channel.end("error");
    });
  };
  let leave: (() => void)[] = [];
  const channel = createSseChannel({
    onResync: begin,
    onClosed: () => {
      for (const step of leave) step();
      leave = [];
    },
  });
  const feed = makeFeed(() => channel);
  leave = [
    hub.subscribe({ rows: feed.rows, frame: feed.frame, beat: () => channel.comment("heartbeat") }),
    streams.add(() => channel.end("stopping")),
  ];
  if (context.req.method === "HEAD") channel.end("head");
  else begin();
  return context.body(channel.body, 200, streamHeaders);
}
