/**
 * Gathers everything that belongs to one incident: its own rows, what happened around its worker meanwhile, and the
 * jobs that it touched. Prompts are hidden before anything leaves here.
 */
import type { IncidentStory } from "../../contract/incident-story.ts";
import type { Clock } from "../../core/clock.ts";
import type { RowHead, TimelineRow } from "../../core/events.ts";
import type { IncidentRow, Store } from "../../core/ports/event-log.ts";
import { ifKnown, present } from "../../core/present.ts";
import { secondMs } from "../../core/units.ts";
import type { IncidentPort } from "../../server/server-ports.ts";
import { recoveryAnalytics } from "./incident-analytics.ts";

const shown = { ownCount: 2_000, aroundCount: 500, jobCount: 50, rowsPerJobCount: 40 } as const;

/** What happens to worker, model and service; it belongs to an incident by worker and time. */
const aroundKinds = [
  "worker.connected",
  "worker.exited",
  "worker.crashLooped",
  "worker.stopped",
  "worker.killed",
  "model.proven",
  "model.loadFailed",
  "model.setAside",
  "pipeline.stalled",
  "breaker.opened",
  "breaker.halfOpened",
  "breaker.closed",
  "budget.spent",
  "budget.exhausted",
  "mode.changed",
  "recovery.triggered",
  "recovery.reset",
  "service.started",
  "disk.ballastReleased",
] as const;

/** An operator's act is written before it opens an incident, and the mode follows its end. */
const slackMs = secondMs;

type Parts = Pick<Store, "jobs" | "events" | "incidents">;

function belongs(row: RowHead, { workerId, openedAtMs }: IncidentRow): boolean {
  if (row.workerId !== null && row.workerId !== workerId) return false;
  return row.atMs >= openedAtMs || row.actor !== "service";
}

async function rowsAround({ events }: Parts, incident: IncidentRow): Promise<readonly TimelineRow[]> {
  const { openedAtMs, closedAtMs } = incident;
  const rows = await events.findKinds({
    of: { kinds: aroundKinds },
    fromMs: openedAtMs - slackMs,
    ...present({ untilMs: ifKnown(closedAtMs, (atMs) => atMs + slackMs) }),
    limit: shown.aroundCount,
  });
  return rows.filter((row) => belongs(row, incident));
}

/** Copies without the words of those who asked: a worker's message may have quoted them. */
function hideTexts(value: unknown, hidden: readonly string[]): unknown {
  if (typeof value === "string") return hidden.reduce((text, prompt) => text.replaceAll(prompt, "[prompt]"), value);
  if (Array.isArray(value)) return value.map((inner) => hideTexts(inner, hidden));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, hideTexts(inner, hidden)]));
}

const shortestHidden = 8;

async function findIncident(parts: Parts, id: string): Promise<IncidentStory | null> {
  const { events, incidents, jobs } = parts;
  await events.flush();
  const incident = await incidents.get(id);
  if (incident === null) return null;
  const own = await events.find({ of: { incidentId: id }, limit: shown.ownCount });
  const around = await rowsAround(parts, incident);
  const touched = await incidents.jobsOf(id, shown.jobCount);
  const known = await Promise.all(touched.jobs.map(async (touch) => ({ touch, job: await jobs.get(touch.jobId) })));
  const ofJobs = await Promise.all(
    touched.jobs.map(({ jobId }) =>
      events.find({ of: { jobId }, fromMs: incident.openedAtMs, limit: shown.rowsPerJobCount }),
    ),
  );
  const prompts = known
    .flatMap(({ job }) => job?.spec.request.prompt ?? [])
    .filter((prompt) => prompt.length >= shortestHidden);
  const bySeq = new Map([...own, ...around, ...ofJobs.flat()].map((row) => [row.seq, row]));
  const rows = [...bySeq.values()].toSorted((a, b) => a.seq - b.seq);
  const isTruncated =
    own.length === shown.ownCount ||
    around.length === shown.aroundCount ||
    touched.totalCount > touched.jobs.length ||
    ofJobs.some((list) => list.length === shown.rowsPerJobCount);
  const clean = <Held extends { readonly data: object }>(held: Held): Held => ({
    ...held,
    data: hideTexts(held.data, prompts),
  });
  return { incident: clean(incident), rows: rows.map(clean), isTruncated, jobs: known, jobCount: touched.totalCount };
}

/** Reads what the store kept of incidents; it asks no machine. */
export function createIncidentReader(parts: Parts, clock: Pick<Clock, "nowMs" | "turn">): IncidentPort {
  return {
    list: (query) => parts.incidents.list(query),
    find: (id) => findIncident(parts, id),
    analytics: (sinceMs) => recoveryAnalytics({ ...parts, clock }, sinceMs, clock.nowMs()),
  };
}
