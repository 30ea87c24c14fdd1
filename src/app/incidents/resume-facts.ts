/**
 * Reads at the start what the supervisor before this one had in hand. Without it a restart would give back a spent
 * budget, close an open breaker and forget its incidents.
 */
import type { TimelineRow } from "../../core/events.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { ResumedFacts } from "../../machines/supervisor-types.ts";
import { faultOfRecord } from "../../recovery/classify.ts";
import { factKeys } from "./recorder.ts";

type Incident = ResumedFacts["incidents"][number];

/** The newest rows of an incident that tell how far it has come are among so many. */
const newestRows = 256;

type Progress = Pick<Incident["resume"], "climbCount" | "lookBackCount">;

/** How far its incident had come when a row was written, as far as the row tells. */
function progressIn(row: TimelineRow): Progress {
  switch (row.kind) {
    case "rung.started":
    case "rung.ended":
    case "climb.ended":
      return { climbCount: row.data.climb, lookBackCount: 0 };
    case "incident.stoodIn":
    case "incident.exhausted":
      return { climbCount: row.data.climbs, lookBackCount: row.data.look_backs };
    default:
      return { climbCount: 0, lookBackCount: 0 };
  }
}

/** Whether stand-ins served when it was left, or it was being repaired: the newest of these rows tells. */
const stageKinds: readonly TimelineRow["kind"][] = [
  "incident.exhausted",
  "incident.stoodIn",
  "incident.opened",
  "canary.passed",
  "rung.started",
];

/** @param rows newest first; a stand-in is a rung too, and the first row after its start says that it serves */
function kindOf(rows: readonly TimelineRow[]): Incident["resume"]["kind"] {
  const newest = rows.find(({ kind }) => stageKinds.includes(kind))?.kind;
  if (newest === "incident.exhausted") return "exhausted";
  return newest === "incident.stoodIn" ? "standingIn" : "atWork";
}

/** How far an incident had come: its climbs stay counted. It looks back at once, because nobody looked meanwhile. */
async function resumeOf(store: Store, incidentId: string, nowMs: number): Promise<Incident["resume"]> {
  const rows = await store.events.find({ of: { incidentId }, limit: newestRows, isNewestFirst: true });
  const told = rows.map(progressIn);
  return {
    kind: kindOf(rows),
    untilMs: nowMs,
    climbCount: Math.max(0, ...told.map(({ climbCount }) => climbCount)),
    lookBackCount: Math.max(0, ...told.map(({ lookBackCount }) => lookBackCount)),
  };
}

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
  const trials = await store.facts.read(factKeys.trials);
  const open = await store.incidents.listOpen();
  const incidents: Incident[] = [];
  for (const row of open) {
    const { fault, model = null, job_id: jobId = null } = row.data;
    if (fault === undefined || row.workerId === null) {
      // Nobody could work on it or end it: a later version may have written its fault in words of its own.
      await store.incidents.close(row.id, "abandoned", 0);
      continue;
    }
    incidents.push({
      id: row.id,
      key: row.key,
      workerId: row.workerId,
      openedAtMs: row.openedAtMs,
      failureType: row.failureType,
      model,
      jobIds: jobId === null ? [] : [jobId],
      fault: faultOfRecord(fault),
      resume: await resumeOf(store, row.id, nowMs),
    });
  }
  return {
    budgetSpentAtMs: (budget as readonly number[] | null) ?? [],
    cooldowns: (cooldowns as ResumedFacts["cooldowns"] | null) ?? {},
    breakers: (breakers as ResumedFacts["breakers"] | null) ?? {},
    pause: (pause as ResumedFacts["pause"]) ?? null,
    drain: (drain as ResumedFacts["drain"]) ?? null,
    trials: (trials as ResumedFacts["trials"] | null) ?? [],
    incidents,
  };
}
