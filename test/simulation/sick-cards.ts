/**
 * Cards that compute nothing right for a while, whatever process uses them: no render passes, and no test render. From
 * the first failure on the service can know it, and what it promises then is compared.
 */
import type { Clock } from "../../src/core/clock.ts";
import type { TimelineRow } from "../../src/core/events.ts";
import { minuteMs } from "../../src/core/units.ts";
import type { Disturbances } from "./disturbances.ts";
import { deviceOf } from "./sim-host.ts";

export interface SickCards {
  begin(deviceUuid: string, spanMs: number): void;
  isSick(deviceUuid: string): boolean;
  /** Something was computed there; true where it came out wrong. */
  meet(deviceUuid: string): boolean;
  /** An action that was proven by a render while its card was sick: nothing can have passed there. */
  findLie(row: TimelineRow): string | null;
  /** It is sick, and nobody has met it yet. */
  isHidden(deviceUuid: string): boolean;
}

interface Sickness {
  readonly fromMs: number;
  readonly untilMs: number;
  isMet: boolean;
}

/** They are judged by what was freed, or by what a stand-in is. */
const notRendered: readonly string[] = ["clear_gpu_cache", "fallback_to_mock"];

/** So long the service may take to be sure: an experiment, and one climb. */
const recognitionMs = 5 * minuteMs;

export function createSickCards(clock: Pick<Clock, "nowMs">, disturbances: Disturbances): SickCards {
  const sick = new Map<string, Sickness>();
  const past: { readonly deviceUuid: string; readonly fromMs: number; readonly untilMs: number }[] = [];
  const wasSick = (deviceUuid: string, fromMs: number, untilMs: number): boolean =>
    past.some((one) => one.deviceUuid === deviceUuid && one.fromMs <= fromMs && one.untilMs >= untilMs);
  const find = (deviceUuid: string): Sickness | undefined => {
    const found = sick.get(deviceUuid);
    return found !== undefined && clock.nowMs() < found.untilMs ? found : undefined;
  };
  return {
    begin: (deviceUuid, spanMs) => {
      const fromMs = clock.nowMs();
      sick.set(deviceUuid, { fromMs, untilMs: fromMs + spanMs, isMet: false });
      past.push({ deviceUuid, fromMs, untilMs: fromMs + spanMs });
      // A look back finds it some minutes later.
      disturbances.note("a card is well again", fromMs + spanMs);
    },
    findLie: (row) => {
      if (row.kind !== "rung.ended" || row.workerId === null || row.data.outcome !== "effective") return null;
      const { action, started_at_ms: fromMs, ended_at_ms: untilMs } = row.data;
      if (notRendered.includes(action) || !wasSick(deviceOf(row.workerId), fromMs, untilMs)) return null;
      return `${action} is called effective on a card that renders nothing`;
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
