import type { Fault } from "../core/fault.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { FailureType, ModelId } from "../core/words.ts";
import type { ResumedFacts } from "../machines/supervisor-types.ts";
import { factKeys } from "./actors/recorder.ts";

type Incident = ResumedFacts["incidents"][number];

/**
 * What an earlier supervisor left: budget, cooldowns, breakers and open incidents. An incident comes back looking back at
 * once: the test render decides whether there is anything left to repair.
 */
export async function readResumedFacts(store: Store, nowMs: number): Promise<ResumedFacts> {
  const budget = await store.facts.read(factKeys.budget);
  const cooldowns = await store.facts.read(factKeys.cooldowns);
  const breakers = await store.facts.read(factKeys.breakers);
  const pause = await store.facts.read(factKeys.pause);
  const drain = await store.facts.read(factKeys.drain);
  const open = await store.incidents.listOpen();
  const incidents = open.flatMap((row): Incident[] => {
    const fault = row.data["fault"] as Fault | undefined;
    if (fault === undefined || row.workerId === null) return [];
    const resume = { kind: "standingIn", untilMs: nowMs, climbCount: 0, lookBackCount: 0 } as const;
    return [
      {
        id: row.id,
        key: row.key,
        workerId: row.workerId,
        openedAtMs: row.openedAtMs,
        failureType: row.failureType as FailureType,
        model: (row.data["model"] as ModelId | null | undefined) ?? null,
        // Rows of an older program kept no evidence.
        fault: { ...fault, evidence: fault.evidence ?? {} },
        resume,
      },
    ];
  });
  return {
    budgetSpentAtMs: (budget as readonly number[] | null) ?? [],
    cooldowns: (cooldowns as ResumedFacts["cooldowns"] | null) ?? {},
    breakers: (breakers as ResumedFacts["breakers"] | null) ?? {},
    pause: (pause as ResumedFacts["pause"]) ?? null,
    drain: (drain as ResumedFacts["drain"]) ?? null,
    incidents,
  };
}
