/**
 * How well recovery works, in figures over a span of time: how fast faults were noticed, answered and repaired, and
 * which actions helped. All figures come from rows, so they hold over restarts.
 */
import type { ActionFigures, Durations, ModeShares, RecoveryAnalytics } from "../../contract/analytics-wire.ts";
import type { Clock } from "../../core/clock.ts";
import type { EventMap, EventRow } from "../../core/events.ts";
import type { EventLog, IncidentRow, IncidentStore } from "../../core/ports/event-log.ts";
import { withRevisions } from "../../core/rung-revisions.ts";
import { type Mode, type Outcome, outcomes } from "../../core/words.ts";

/** So many rows are counted at most. Of more the newest are, and the answer says that it is partial. */
const counted = { rungCount: 20_000, incidentCount: 5_000, modeCount: 20_000 } as const;

const rank = (sorted: readonly number[], ratio: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * ratio) - 1)] ?? 0;

/** Percentiles go by the nearest rank, so that each is a time that was measured, also among few. */
export function durationsOf(spansMs: readonly number[], whyNone: string): Durations {
  if (spansMs.length === 0) return { count: 0, meanMs: null, p50Ms: null, p95Ms: null, reason: whyNone };
  const sorted = spansMs.toSorted((a, b) => a - b);
  const meanMs = Math.round(sorted.reduce((sum, span) => sum + span, 0) / sorted.length);
  return { count: sorted.length, meanMs, p50Ms: rank(sorted, 0.5), p95Ms: rank(sorted, 0.95), reason: null };
}

type Rung = EventMap["rung.ended"];

/** Counts outcomes for each failure type and action, in the order in which they were first tried. */
export function actionFigures(rows: readonly EventRow<"rung.ended">[]): ActionFigures[] {
  const groups = new Map<string, Rung[]>();
  for (const { data: rung } of rows) {
    const key = `${rung.failure_type} ${rung.action}`;
    const group = groups.get(key) ?? [];
    group.push(rung);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap((rungs) => {
    const [first] = rungs;
    if (first === undefined) return [];
    const byOutcome = Object.fromEntries(
      outcomes.map((outcome) => [outcome, rungs.filter((rung) => rung.outcome === outcome).length]),
    );
    const triedMs = rungs
      .filter(({ outcome }) => outcome !== "skipped")
      .map(({ started_at_ms, ended_at_ms }) => ended_at_ms - started_at_ms);
    return [
      {
        failureType: first.failure_type,
        action: first.action,
        outcomes: byOutcome as Record<Outcome, number>,
        durations: durationsOf(triedMs, "it was skipped each time"),
      },
    ];
  });
}

const spans = (incidents: readonly IncidentRow[], until: (incident: IncidentRow) => number | null): number[] =>
  incidents.flatMap((incident) => {
    const atMs = until(incident);
    return atMs === null ? [] : [Math.max(0, atMs - incident.openedAtMs)];
  });

function earliest({ answers: { queuedAtMs, stoodInAtMs, realAtMs } }: IncidentRow): number | null {
  const known = [queuedAtMs, stoodInAtMs, realAtMs].filter((atMs) => atMs !== null);
  return known.length === 0 ? null : Math.min(...known);
}

type IncidentFigures = Pick<RecoveryAnalytics, "incidents" | "detect" | "firstAnswer" | "answers" | "recover">;

export function incidentFigures(incidents: readonly IncidentRow[]): IncidentFigures {
  const has = (status: IncidentRow["status"]): IncidentRow[] =>
    incidents.filter((incident) => incident.status === status);
  const [resolved, open] = [has("resolved"), has("open")];
  const noticed = incidents.flatMap(({ openedAtMs, firstEvidenceAtMs }) =>
    firstEvidenceAtMs === null ? [] : [Math.max(0, openedAtMs - firstEvidenceAtMs)],
  );
  const none = incidents.length === 0 ? "there was no incident" : null;
  return {
    incidents: {
      opened: incidents.length,
      resolved: resolved.length,
      open: open.length,
      otherwiseClosed: incidents.length - resolved.length - open.length,
    },
    detect: durationsOf(noticed, none ?? "no incident had a first sign that was observed"),
    firstAnswer: durationsOf(spans(incidents, earliest), none ?? "no job waited for an answer in any incident"),
    answers: {
      queued: durationsOf(
        spans(incidents, ({ answers }) => answers.queuedAtMs),
        none ?? "no incident sent a job back into the queue",
      ),
      standIn: durationsOf(
        spans(incidents, ({ answers }) => answers.stoodInAtMs),
        none ?? "no stand-in was needed",
      ),
      real: durationsOf(
        spans(incidents, ({ answers }) => answers.realAtMs),
        none ?? "no job of an incident has its real result",
      ),
    },
    recover: durationsOf(
      spans(resolved, ({ closedAtMs }) => closedAtMs),
      none ?? "no incident was resolved",
    ),
  };
}

/** From one moment on the service is in this mode; null = it does not run. */
export interface ModeMoment {
  readonly atMs: number;
  readonly mode: Mode | null;
}

/** @param moments oldest first; the first one may lie before `sinceMs` */
export function modeShares(moments: readonly ModeMoment[], sinceMs: number, untilMs: number): ModeShares {
  const byModeMs: Partial<Record<Mode, number>> = {};
  let stoppedMs = 0;
  moments.forEach(({ atMs, mode }, index) => {
    const endMs = Math.min(untilMs, moments[index + 1]?.atMs ?? untilMs);
    const spanMs = Math.max(0, endMs - Math.max(atMs, sinceMs));
    if (mode === null) stoppedMs += spanMs;
    else byModeMs[mode] = (byModeMs[mode] ?? 0) + spanMs;
  });
  const observedMs = Object.values(byModeMs).reduce((sum, spanMs) => sum + spanMs, 0);
  return { observedMs, stoppedMs, byModeMs };
}

const modeKinds = ["mode.changed", "service.started"] as const;

/** A start ends a time in which the service did not run; that time began after the last row before it. */
async function momentsOf(
  events: Pick<EventLog, "range">,
  rows: readonly EventRow<(typeof modeKinds)[number]>[],
): Promise<ModeMoment[]> {
  const moments: ModeMoment[] = [];
  for (const row of rows) {
    if (row.kind === "mode.changed") moments.push({ atMs: row.atMs, mode: row.data.to });
    else {
      const [before] = row.seq < 2 ? [] : await events.range(row.seq - 2, 1);
      if (before !== undefined && before.seq < row.seq) moments.push({ atMs: before.atMs, mode: null });
      moments.push({ atMs: row.atMs, mode: "loading" });
    }
  }
  return moments;
}

export interface AnalyticsPorts {
  readonly events: Pick<EventLog, "findKinds" | "range">;
  readonly incidents: Pick<IncidentStore, "list">;
  readonly clock: Pick<Clock, "turn">;
}

/** Counts the rows that an index finds, in slices, so that heartbeats are answered between them. */
export async function recoveryAnalytics(
  ports: AnalyticsPorts,
  sinceMs: number,
  untilMs: number,
): Promise<RecoveryAnalytics> {
  const { events, incidents, clock } = ports;
  const newest = { fromMs: sinceMs, untilMs, isNewestFirst: true } as const;
  const rungs = await events.findKinds({ of: { kinds: ["rung.ended"] }, ...newest, limit: counted.rungCount });
  // A revision comes after its rung: what was revised later than the span counts as well.
  const revisions = await events.findKinds({
    of: { kinds: ["rung.revised"] },
    fromMs: sinceMs,
    isNewestFirst: true,
    limit: counted.rungCount,
  });
  await clock.turn();
  const opened = (await incidents.list({ limit: counted.incidentCount, openedFromMs: sinceMs })) ?? {
    incidents: [],
    cursor: null,
  };
  await clock.turn();
  const changes = await events.findKinds({ of: { kinds: modeKinds }, ...newest, limit: counted.modeCount });
  const [former] = await events.findKinds({
    of: { kinds: modeKinds },
    untilMs: sinceMs - 1,
    limit: 1,
    isNewestFirst: true,
  });
  const moments = await momentsOf(events, [...(former === undefined ? [] : [former]), ...changes.toReversed()]);
  return {
    sinceMs,
    untilMs,
    ...incidentFigures(opened.incidents),
    actions: actionFigures(withRevisions(rungs.toReversed(), revisions.toReversed())),
    modes: modeShares(moments, sinceMs, untilMs),
    isPartial: rungs.length === counted.rungCount || opened.cursor !== null || changes.length === counted.modeCount,
  };
}
