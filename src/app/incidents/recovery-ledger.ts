/**
 * The rungs that were tried, for the statistics and the list of attempts. It is read from the timeline at the start
 * and holds the newest only, so that an answer needs no query.
 */
import type { EventRow } from "../../core/events.ts";
import type { RungResult } from "../../core/fault.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { withRevisions } from "../../core/rung-revisions.ts";
import type { FailureType } from "../../core/words.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";

/** One rung that ended, newest first in lists. */
export interface LedgerEntry {
  readonly failureType: FailureType;
  readonly workerId: string | null;
  readonly incidentId: string | null;
  readonly climb: number;
  readonly result: Pick<RungResult, "action" | "outcome" | "reason" | "startedAtMs" | "endedAtMs">;
}

/** The recovery attempts that `recovery_statistics` of the compatible routes counts. */
export interface RecoveryLedger {
  note(fact: SupervisorFact): void;
  list(): readonly LedgerEntry[];
}

const keptCount = 5_000;

function entryOf(row: EventRow<"rung.ended">): LedgerEntry {
  const { action, outcome, reason, failure_type, climb, started_at_ms, ended_at_ms } = row.data;
  return {
    failureType: failure_type,
    workerId: row.workerId,
    incidentId: row.incidentId,
    climb,
    result: { action, outcome, reason, startedAtMs: started_at_ms, endedAtMs: ended_at_ms },
  };
}

type Revised = Extract<SupervisorFact, { type: "rung.revised" }>;

/** The entry with the outcome that its jobs gave it, if it is the one that the fact is about. */
function revised(entry: LedgerEntry, { id, data }: Revised): LedgerEntry {
  const { result } = entry;
  const isIt =
    entry.incidentId === id &&
    entry.climb === data.climb &&
    result.action === data.action &&
    result.startedAtMs === data.started_at_ms;
  return isIt
    ? { ...entry, result: { ...result, outcome: data.to, reason: `${result.reason}; ${data.reason}` } }
    : entry;
}

export async function openRecoveryLedger(store: Store): Promise<RecoveryLedger> {
  const kept = await store.events.findKinds({ of: { kinds: ["rung.ended"] }, limit: keptCount, isNewestFirst: true });
  const revisions = await store.events.findKinds({
    of: { kinds: ["rung.revised"] },
    limit: keptCount,
    isNewestFirst: true,
  });
  let entries = withRevisions(kept, revisions.toReversed()).map(entryOf).toReversed();
  return {
    note: (fact) => {
      if (fact.type === "rung.revised") entries = entries.map((entry) => revised(entry, fact));
      if (fact.type !== "rung.ended") return;
      entries.push({
        failureType: fact.failureType,
        workerId: fact.workerId,
        incidentId: fact.id,
        climb: fact.climb,
        result: fact.result,
      });
      if (entries.length > keptCount) entries = entries.slice(-keptCount);
    },
    list: () => entries,
  };
}
