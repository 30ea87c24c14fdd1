import type { Clock } from "../../src/core/clock.ts";
import { MediaError, StoreError, UnderstudyError } from "../../src/core/errors.ts";

/** Parts of the outside world that fail as a whole for a while. */
export const breakablePorts = ["store", "artifacts", "media", "probe", "disk"] as const;
export type BreakablePort = (typeof breakablePorts)[number];
/** A full disk refuses nothing by itself: the gauge tells. */
type RefusingPort = Exclude<BreakablePort, "disk">;

const refusals: Readonly<Record<RefusingPort, () => Error>> = {
  store: () => new StoreError("STORE_UNAVAILABLE", "The database cannot be used now: disk I/O error.", { retryable: true }),
  artifacts: () => new StoreError("STORE_UNAVAILABLE", "no space left on device", { retryable: true }),
  media: () => new MediaError("OUTPUT_INVALID", "The media child ended.", { retryable: true }),
  probe: () => new UnderstudyError("INTERNAL_ERROR", "nothing could be measured", { retryable: true }),
};

const synchronousMethods: ReadonlySet<string> = new Set(["note", "subscribe", "stagingPath", "checkpointDir", "pathOf", "read"]);

export interface Troubles {
  begin(port: BreakablePort, spanMs: number): void;
  isIn(port: BreakablePort): boolean;
  /** Asynchronous methods reject without an effect while the port is out of order. */
  wrap<Port extends object>(port: Port, name: RefusingPort): Port;
}

export function createTroubles(clock: Clock): Troubles {
  const untilMs = new Map<BreakablePort, number>();
  const isIn = (port: BreakablePort): boolean => clock.nowMs() < (untilMs.get(port) ?? 0);
  return {
    begin: (port, spanMs) => untilMs.set(port, clock.nowMs() + spanMs),
    isIn,
    wrap: (port, name) =>
      new Proxy(port, {
        get: (target, key, receiver) => {
          const value: unknown = Reflect.get(target, key, receiver);
          if (typeof value !== "function" || synchronousMethods.has(String(key))) return value;
          return (...args: unknown[]): unknown => (isIn(name) ? Promise.reject(refusals[name]()) : value.apply(target, args));
        },
      }),
  };
}
