/** What recovery was worth, counted from rows. Few cases say so: every percentile stands beside its count. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { withoutNulls } from "../core/present.ts";
import {
  type FailureType,
  failureTypes,
  type Mode,
  modes,
  type Outcome,
  type RecoveryAction,
  recoveryActions,
} from "../core/words.ts";

/** Milliseconds of a number of cases; null where nothing was measured, and `reason` says why. */
export interface Durations {
  readonly count: number;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly reason: string | null;
}

export interface ActionFigures {
  readonly failureType: FailureType;
  readonly action: RecoveryAction;
  /** By outcome; `skipped` rungs were not tried. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly durations: Durations;
}

export interface ModeShares {
  /** Time in which the service ran. */
  readonly observedMs: number;
  readonly stoppedMs: number;
  readonly byModeMs: Readonly<Partial<Record<Mode, number>>>;
}

export interface RecoveryAnalytics {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly incidents: {
    readonly opened: number;
    readonly resolved: number;
    readonly open: number;
    readonly otherwiseClosed: number;
  };
  readonly actions: readonly ActionFigures[];
  readonly detect: Durations;
  readonly firstAnswer: Durations;
  readonly answers: { readonly queued: Durations; readonly standIn: Durations; readonly real: Durations };
  readonly recover: Durations;
  readonly modes: ModeShares;
  /** There are more rows than were counted; the newest were. */
  readonly isPartial: boolean;
}

const durationsSchema = z.strictObject({
  count: z.number().int(),
  mean_ms: z.number().int().nullable(),
  p50_ms: z.number().int().nullable(),
  p95_ms: z.number().int().nullable(),
  /** Why nothing was measured. */
  reason: z.string().optional(),
});

const count = z.number().int();

export const analyticsSchema = z
  .strictObject({
    since: z.iso.datetime(),
    until: z.iso.datetime(),
    partial: z.boolean(),
    incidents: z.strictObject({ opened: count, resolved: count, open: count, otherwise_closed: count }),
    actions: z.array(
      z.strictObject({
        failure_type: z.enum(failureTypes),
        action: z.enum(recoveryActions),
        tried: count,
        effective: count,
        ineffective: count,
        failed: count,
        unknown: count,
        skipped: count,
        duration: durationsSchema,
      }),
    ),
    time_to_detect: durationsSchema,
    time_to_first_answer: durationsSchema.extend({
      queue_position: durationsSchema,
      stand_in: durationsSchema,
      real_result: durationsSchema,
    }),
    time_to_recover: durationsSchema,
    modes: z.strictObject({
      observed_ms: count,
      stopped_ms: count,
      /** 0..1 of the observed time; null when nothing was observed. */
      share: z.record(z.enum(modes), z.number()).nullable(),
      reason: z.string().optional(),
    }),
  })
  .meta({ id: "Analytics" });

const toDurations = ({ count: cases, meanMs, p50Ms, p95Ms, reason }: Durations): z.infer<typeof durationsSchema> => ({
  count: cases,
  mean_ms: meanMs,
  p50_ms: p50Ms,
  p95_ms: p95Ms,
  ...withoutNulls({ reason }),
});

function toShares({ observedMs, stoppedMs, byModeMs }: ModeShares): z.infer<typeof analyticsSchema>["modes"] {
  const times = { observed_ms: observedMs, stopped_ms: stoppedMs };
  if (observedMs === 0) return { ...times, share: null, reason: "the service did not run in this time" };
  const share = Object.fromEntries(
    modes.map((mode) => [mode, Number(((byModeMs[mode] ?? 0) / observedMs).toFixed(4))]),
  );
  return { ...times, share: share as Record<Mode, number> };
}

export function toAnalytics(view: RecoveryAnalytics): z.infer<typeof analyticsSchema> {
  return {
    since: isoOf(view.sinceMs),
    until: isoOf(view.untilMs),
    partial: view.isPartial,
    incidents: {
      opened: view.incidents.opened,
      resolved: view.incidents.resolved,
      open: view.incidents.open,
      otherwise_closed: view.incidents.otherwiseClosed,
    },
    actions: view.actions.map(
      ({ failureType, action, outcomes: { effective, ineffective, failed, unknown, skipped }, durations }) => ({
        failure_type: failureType,
        action,
        tried: effective + ineffective + failed + unknown,
        effective,
        ineffective,
        failed,
        unknown,
        skipped,
        duration: toDurations(durations),
      }),
    ),
    time_to_detect: toDurations(view.detect),
    time_to_first_answer: {
      ...toDurations(view.firstAnswer),
      queue_position: toDurations(view.answers.queued),
      stand_in: toDurations(view.answers.standIn),
      real_result: toDurations(view.answers.real),
    },
    time_to_recover: toDurations(view.recover),
    modes: toShares(view.modes),
  };
}
