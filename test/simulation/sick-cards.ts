/**
 * Cards that compute nothing right for a while, whatever process uses them: no render passes, and no test render. From
 * the first failure on the service can know it, and what it promises then is compared.
 */
import type { Clock } from "../../src/core/clock.ts";
import { minuteMs } from "../../src/core/units.ts";
import type { Disturbances } from "./disturbances.ts";

export interface SickCards {
  begin(deviceUuid: string, spanMs: number): void;
  isSick(deviceUuid: string): boolean;
  /** Something was computed there; true where it came out wrong. */
  meet(deviceUuid: string): boolean;
  /** It is sick, and nobody has met it yet. */
  isHidden(deviceUuid: string): boolean;
}

interface Sickness {
  readonly fromMs: number;
  readonly untilMs: number;
  isMet: boolean;
}

/** So long the service may take to be sure: an experiment, and one climb. */
const recognitionMs = 5 * minuteMs;

export function createSickCards(clock: Pick<Clock, "nowMs">, disturbances: Disturbances): SickCards {
  const sick = new Map<string, Sickness>();
  const find = (deviceUuid: string): Sickness | undefined => {
    const found = sick.get(deviceUuid);
    return found !== undefined && clock.nowMs() < found.untilMs ? found : undefined;
  };
  return {
    begin: (deviceUuid, spanMs) => {
      const fromMs = clock.nowMs();
      sick.set(deviceUuid, { fromMs, untilMs: fromMs + spanMs, isMet: false });
    },
    isSick: (deviceUuid) => find(deviceUuid) !== undefined,
    isHidden: (deviceUuid) => find(deviceUuid)?.isMet === false,
    meet: (deviceUuid) => {
      const found = find(deviceUuid);
      if (found === undefined) return false;
      if (!found.isMet) disturbances.note("sick card", found.fromMs, clock.nowMs() + recognitionMs);
      found.isMet = true;
      return true;
    },
  };
}
