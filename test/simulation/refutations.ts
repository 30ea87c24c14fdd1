/**
 * Holds every outcome that is called effective against what comes after it: the same job that fails again by the same
 * signature refutes it, and a row must say so.
 */
import type { TimelineRow } from "../../src/core/events.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { signatureOf } from "../../src/recovery/signature.ts";

interface Effect {
  readonly incidentId: string;
  readonly action: string;
  readonly atMs: number;
  refutedAtMs: number | null;
  isRevised: boolean;
}

export interface Refutations {
  read(row: TimelineRow): void;
  /** How many are refuted, and not revised although there was time for it; each is told once. */
  findStanding(nowMs: number): string[];
  readonly standingCount: number;
}

/** The message decides here: rows of jobs keep their code, not their class. */
const textOf = (message: string): string => signatureOf({ faultClass: "unknown", message });

/** An incident's rung is about the failure of one job for so long. */
const trialMs = 10 * minuteMs;
const revisionMs = 10 * secondMs;

export function createRefutations(): Refutations {
  const causes = new Map<string, { readonly jobId: string; readonly text: string }>();
  const effects = new Map<string, Effect[]>();
  const told = new Set<Effect>();
  const noteFailure = (jobId: string, message: string, atMs: number): void => {
    for (const effect of effects.get(`${jobId} ${textOf(message)}`) ?? [])
      if (effect.atMs < atMs && atMs - effect.atMs <= trialMs) effect.refutedAtMs ??= atMs;
  };
  const noteEffect = (incidentId: string, action: string, atMs: number): void => {
    const cause = causes.get(incidentId);
    if (cause === undefined) return;
    const key = `${cause.jobId} ${cause.text}`;
    const known = effects.get(key) ?? [];
    effects.set(key, [...known, { incidentId, action, atMs, refutedAtMs: null, isRevised: false }]);
  };
  const noteRevision = (incidentId: string): void => {
    for (const list of effects.values())
      for (const effect of list) if (effect.incidentId === incidentId) effect.isRevised = true;
  };
  return {
    read: (row) => {
      const kind: string = row.kind;
      const { incidentId, jobId } = row;
      if (row.kind === "incident.opened" && incidentId !== null && row.data.job_id !== null)
        causes.set(incidentId, { jobId: row.data.job_id, text: textOf(row.data.fault.message) });
      if (row.kind === "rung.ended" && incidentId !== null && row.data.outcome === "effective")
        if (row.data.action !== "fallback_to_mock") noteEffect(incidentId, row.data.action, row.data.ended_at_ms);
      if (kind === "rung.revised" && incidentId !== null) noteRevision(incidentId);
      if ((row.kind === "job.retried" || row.kind === "job.failed" || row.kind === "job.quarantined") && jobId !== null)
        noteFailure(jobId, row.data.message, row.atMs);
    },
    findStanding: (nowMs) =>
      [...effects].flatMap(([key, list]) =>
        list.flatMap((effect) => {
          const { refutedAtMs, isRevised, incidentId, action } = effect;
          const isDue = refutedAtMs !== null && !isRevised && nowMs - refutedAtMs > revisionMs;
          if (!isDue || told.has(effect)) return [];
          told.add(effect);
          return [`${action} of ${incidentId} stands as effective, and its job failed alike afterwards: ${key}`];
        }),
      ),
    get standingCount() {
      return told.size;
    },
  };
}
