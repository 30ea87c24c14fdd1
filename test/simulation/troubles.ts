/** Outages of a simulated world: a port refuses every call for a while, or a condition of host or card holds. */
import type { Clock } from "../../src/core/clock.ts";
import { MediaError, StoreError, UnderstudyError } from "../../src/core/errors.ts";

/** Parts of the outside world that fail as a whole for a while. */
export const breakablePorts = ["store", "artifacts", "media", "probe"] as const;
type BreakablePort = (typeof breakablePorts)[number];
/** They refuse nothing by themselves: gauges tell, the hub of the models does not answer, or others crowd every card. */
export const hostConditions = ["disk", "cpu", "hostMemory", "hub", "crowd"] as const;
/** Of one card: others take its memory, it grows hot, or it is gone. */
export const deviceConditions = ["neighbour", "heat", "cardLost"] as const;
type DeviceCondition = (typeof deviceConditions)[number];
export type Trouble = BreakablePort | (typeof hostConditions)[number] | `${DeviceCondition} ${string}`;

const refusals: Readonly<Record<BreakablePort, () => Error>> = {
  store: () =>
    new StoreError("STORE_UNAVAILABLE", "The database cannot be used now: disk I/O error.", { retryable: true }),
  artifacts: () => new StoreError("STORE_UNAVAILABLE", "no space left on device", { retryable: true }),
  media: () => new MediaError("OUTPUT_INVALID", "The media child ended.", { retryable: true }),
  probe: () => new UnderstudyError("INTERNAL_ERROR", "nothing could be measured", { retryable: true }),
};

const synchronousMethods: ReadonlySet<string> = new Set([
  "note",
  "subscribe",
  "stagingPath",
  "checkpointDir",
  "pathOf",
  "read",
]);

export interface Troubles {
  begin(trouble: Trouble, spanMs: number): void;
  isIn(trouble: Trouble): boolean;
  /** Asynchronous methods reject without an effect while the port is out of order. */
  wrap<Port extends object>(port: Port, name: BreakablePort): Port;
}

export function createTroubles(clock: Clock): Troubles {
  const untilMs = new Map<Trouble, number>();
  const isIn = (trouble: Trouble): boolean => clock.nowMs() < (untilMs.get(trouble) ?? 0);
  return {
    begin: (trouble, spanMs) => untilMs.set(trouble, clock.nowMs() + spanMs),
    isIn,
    wrap: (port, name) =>
      new Proxy(port, {
        get: (target, key, receiver) => {
          const value: unknown = Reflect.get(target, key, receiver);
          if (typeof value !== "function" || synchronousMethods.has(String(key))) return value;
          return (...args: unknown[]): unknown =>
            isIn(name) ? Promise.reject(refusals[name]()) : value.apply(target, args);
        },
      }),
  };
}
