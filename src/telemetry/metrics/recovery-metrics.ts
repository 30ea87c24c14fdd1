/** Metrics of incidents and what was done about them, counted from their rows. */
import type { EventMap, EventRow } from "../../core/events.ts";
import { secondMs } from "../../core/units.ts";
import { failureTypes, outcomes, recoveryActions } from "../../core/words.ts";
import { type Families, freedBytes, renderSeconds } from "./families.ts";

/**
 * How much more of the device was free afterwards, as measured beside the worker; null where one side was not measured.
 */
function freedBy(evidence: EventMap["rung.ended"]["evidence"]): number | null {
  const before = evidence?.before.deviceFreeBytes ?? null;
  const after = evidence?.after.deviceFreeBytes ?? null;
  return before === null || after === null ? null : Math.max(0, after - before);
}

export interface RecoveryMetrics {
  row(row: EventRow): void;
  openIncidents(count: number): void;
  /** Counts a fact of the supervisor that could not be written. */
  factLost(): void;
  drills(passed: readonly { readonly drill: string; readonly atMs: number }[]): void;
}

/** How often each action ended how. An outcome that was taken back later is counted as taken back, and its new one anew. */
function actionCounters(families: Families) {
  const labels = ["action", "failure_type", "outcome"];
  const actions = families.counter("recovery_actions_total", "Recovery actions by what a measurement showed.", labels);
  const revised = families.counter(
    "recovery_actions_revised_total",
    "Outcomes in recovery_actions_total that the jobs' next attempts took back; the revised outcome is counted there too.",
    labels,
  );
  for (const failure_type of failureTypes)
    for (const action of recoveryActions)
      for (const outcome of outcomes)
        for (const counter of [actions, revised]) counter.inc({ action, failure_type, outcome }, 0);
  return {
    ended: ({ action, failure_type, outcome }: EventMap["rung.ended"]) =>
      actions.inc({ action, failure_type, outcome }),
    revise: ({ action, failure_type, from, to }: EventMap["rung.revised"]) => {
      revised.inc({ action, failure_type, outcome: from });
      actions.inc({ action, failure_type, outcome: to });
    },
  };
}

export function createRecoveryMetrics(families: Families): RecoveryMetrics {
  const { ended, revise } = actionCounters(families);
  const took = families.histogram(
    "recovery_action_seconds",
    "How long recovery actions took, skipped ones aside.",
    renderSeconds,
    ["action"],
  );
  const freed = families.histogram(
    "recovery_freed_bytes",
    "By how much more of the device was free after an action.",
    freedBytes,
    ["action"],
  );
  const opened = families.counter("incidents_opened_total", "Incidents that were opened.", ["failure_type"]);
  const closed = families.histogram("incident_duration_seconds", "How long incidents were open.", renderSeconds, [
    "failure_type",
  ]);
  const open = families.gauge("incidents_open", "Incidents that are open.");
  const lost = families.counter(
    "audit_write_failures_total",
    "Facts of the service that could not be written to its event log.",
  );
  const drilled = families.gauge(
    "drill_last_success_timestamp_seconds",
    "When a drill was last passed; drills that never were have none.",
    ["drill"],
  );
  // A counter that begins with its first event hides that event from rates.
  for (const failure_type of failureTypes) opened.inc({ failure_type }, 0);
  return {
    row: ({ kind, data }) => {
      if (kind === "incident.opened") opened.inc({ failure_type: data.failure_type });
      if (kind === "incident.closed") closed.observe({ failure_type: data.failure_type }, data.open_ms / secondMs);
      if (kind === "rung.revised") revise(data);
      if (kind !== "rung.ended") return;
      const { action, outcome, started_at_ms, ended_at_ms, evidence } = data;
      ended(data);
      if (outcome === "skipped") return;
      took.observe({ action }, (ended_at_ms - started_at_ms) / secondMs);
      const bytes = freedBy(evidence);
      if (bytes !== null) freed.observe({ action }, bytes);
    },
    openIncidents: (count) => open.set(count),
    factLost: () => lost.inc(),
    drills: (passed) => {
      for (const { drill, atMs } of passed) drilled.set({ drill }, atMs / secondMs);
    },
  };
}
