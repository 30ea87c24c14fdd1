/** One subscription to rows and frames for all clients, and none while nobody listens. */
import type { TimerHandle } from "../../core/clock.ts";
import type { EventRow } from "../../core/events.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";

interface StreamListener {
  rows(rows: readonly EventRow[]): void;
  frame(frame: StreamFrame): void;
  /** A beat goes out every 15 s, so that proxies and clients see a living connection. */
  beat(): void;
}

export interface StreamHub {
  subscribe(listener: StreamListener): () => void;
}

const heartbeatMs = 15_000;

export function createStreamHub(ports: Pick<ServerPorts, "events" | "streams" | "clock">): StreamHub {
  const listeners = new Set<StreamListener>();
  let unsubscribe: (() => void)[] = [];
  let timer: TimerHandle | undefined;
  const each = (tell: (listener: StreamListener) => void): void => {
    for (const listener of [...listeners]) tell(listener);
  };
  const beat = (): void => {
    timer = ports.clock.setTimer(beat, heartbeatMs);
    each((listener) => listener.beat());
  };
  const start = (): void => {
    unsubscribe = [
      ports.events.subscribe((rows) => each((listener) => listener.rows(rows))),
      ports.streams.subscribe((frame) => each((listener) => listener.frame(frame))),
    ];
    timer = ports.clock.setTimer(beat, heartbeatMs);
  };
  const stop = (): void => {
    for (const end of unsubscribe) end();
    ports.clock.clearTimer(timer);
  };
  return {
    subscribe: (listener) => {
      if (listeners.size === 0) start();
      listeners.add(listener);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) stop();
      };
    },
  };
}
