/** Incidents on the wire: the list, and one with its whole story. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { KeptFault } from "../core/events/fields.ts";
import type { EventRow, TimelineRow } from "../core/events.ts";
import type { IncidentRow } from "../core/ports/event-log.ts";
import { ifKnown, present, withoutNulls } from "../core/present.ts";
import { failureTypes, faultClassNames, incidentStatuses, outcomes, recoveryActions } from "../core/words.ts";
import { describeEvent } from "./event-words.ts";
import { actsOf, canariesOf, endingOf, type IncidentStory, joinedOf, rungsOf, stepOf } from "./incident-story.ts";
import { toWire } from "./renaming.ts";
import { carriedBy, kindOf } from "./stream-wire.ts";

const time = z.iso.datetime();
const ms = z.number().int();
const fields = z.record(z.string(), z.unknown());

const incidentSummarySchema = z
  .strictObject({
    id: z.string(),
    status: z.enum(incidentStatuses),
    failure_type: z.enum(failureTypes),
    worker_id: z.string().optional(),
    code: z.string().optional(),
    message: z.string().optional(),
    opened_at: time,
    closed_at: time.optional(),
    open_for_ms: ms,
    /** From the fault's first sign to the opening; absent where nothing was observed. */
    detected_after_ms: ms.optional(),
    /** From the opening to what those who waited got first; absent where nobody waited or nothing came yet. */
    answers: z.strictObject({
      queued_after_ms: ms.optional(),
      stood_in_after_ms: ms.optional(),
      real_after_ms: ms.optional(),
    }),
  })
  .meta({ id: "IncidentSummary" });
export type IncidentSummary = z.infer<typeof incidentSummarySchema>;

export const incidentListSchema = z
  .strictObject({ incidents: z.array(incidentSummarySchema), cursor: z.string().optional() })
  .meta({ id: "Incidents" });

export function toIncidentSummary(incident: IncidentRow, nowMs: number): IncidentSummary {
  const { openedAtMs, closedAtMs, firstEvidenceAtMs, answers } = incident;
  const { code, message } = incident.data.fault ?? {};
  const sinceOpenedMs = (atMs: number): number => Math.max(0, atMs - openedAtMs);
  return {
    id: incident.id,
    status: incident.status,
    failure_type: incident.failureType,
    ...withoutNulls({ worker_id: incident.workerId }),
    ...present({ code, message }),
    opened_at: isoOf(openedAtMs),
    ...present({ closed_at: ifKnown(closedAtMs, isoOf) }),
    open_for_ms: Math.max(0, (closedAtMs ?? nowMs) - openedAtMs),
    ...present({
      detected_after_ms: ifKnown(firstEvidenceAtMs, (atMs) => Math.max(0, openedAtMs - atMs)),
    }),
    answers: present({
      queued_after_ms: ifKnown(answers.queuedAtMs, sinceOpenedMs),
      stood_in_after_ms: ifKnown(answers.stoodInAtMs, sinceOpenedMs),
      real_after_ms: ifKnown(answers.realAtMs, sinceOpenedMs),
    }),
  };
}

const causeSchema = z.strictObject({
  /** The class, more finely than by code. */
  fault_class: z.enum(faultClassNames).optional(),
  code: z.string().optional(),
  attribution: z.string().optional(),
  confidence: z.number().optional(),
  decided_by: z.string().optional(),
  message: z.string().optional(),
  operator_action: z.string().optional(),
  evidence: fields,
});

const timelineSchema = z.strictObject({
  seq: z.number().int(),
  at: time,
  /** Time since the opening; negative before it. */
  after_ms: ms,
  kind: z.string(),
  text: z.string().optional(),
  actor: z.string(),
  job_id: z.string().optional(),
  worker_id: z.string().optional(),
  data: fields,
});

export const incidentReportSchema = incidentSummarySchema
  .extend({
    /** Worker and card are simulated. */
    simulated: z.boolean(),
    /** Plain words: how it ended, or where it stands. */
    ending: z.string(),
    /** How it began: fault, workerDeath, health, manual, forced; absent for a record without its first step. */
    origin: z.string().optional(),
    cause: causeSchema,
    joined: z.array(z.strictObject({ at: time, job_id: z.string().optional(), cause: causeSchema })),
    rungs: z.array(
      z.strictObject({
        action: z.enum(recoveryActions),
        outcome: z.enum(outcomes),
        reason: z.string(),
        climb: z.number().int(),
        started_at: time,
        took_ms: ms,
        evidence: fields.optional(),
      }),
    ),
    canaries: z.array(z.strictObject({ at: time, passed: z.boolean(), reason: z.string().optional() })),
    jobs: z.array(
      z.strictObject({
        id: z.string(),
        touched_at: time,
        because: z.string(),
        /** `removed`: it was deleted since. */
        state: z.string(),
        ended_at: time.optional(),
        served_by: z.string().optional(),
        error: z.string().optional(),
      }),
    ),
    job_count: z.number().int(),
    acts: z.array(z.strictObject({ at: time, by: z.string(), kind: z.string(), text: z.string().optional() })),
    timeline: z.array(timelineSchema),
    timeline_truncated: z.boolean(),
  })
  .meta({ id: "Incident" });
export type IncidentReport = z.infer<typeof incidentReportSchema>;
type Rung = IncidentReport["rungs"][number];

/** Nothing is known of the fault where an older program kept none. */
function toCause(fault: Partial<KeptFault>): z.infer<typeof causeSchema> {
  const { faultClass, code, attribution, confidence, decidedBy, message, operatorAction, evidence } = fault;
  return {
    ...withoutNulls({
      code,
      attribution,
      fault_class: faultClass,
      confidence,
      decided_by: decidedBy,
      message,
      operator_action: operatorAction,
    }),
    evidence: toWire(evidence ?? {}),
  };
}

function toRung({ data }: EventRow<"rung.ended">): Rung {
  const { action, outcome, reason, climb, started_at_ms, ended_at_ms, evidence } = data;
  return {
    action,
    outcome,
    reason,
    climb,
    started_at: isoOf(started_at_ms),
    took_ms: ended_at_ms - started_at_ms,
    ...present({ evidence: evidence === null ? undefined : toWire(evidence) }),
  };
}

function toTouched({ touch, job }: IncidentStory["jobs"][number]): IncidentReport["jobs"][number] {
  const about = { id: touch.jobId, touched_at: isoOf(touch.touchedAtMs), because: touch.because };
  if (job === null) return { ...about, state: "removed" };
  return {
    ...about,
    state: job.state,
    ...present({
      ended_at: ifKnown(job.endedAtMs, isoOf),
      served_by: job.result?.servedBy.kind,
      error: ifKnown(job.errorCode, (errorCode) => `${errorCode}: ${job.errorMessage ?? ""}`),
    }),
  };
}

/** A step that left the state as it was is for the replay, and no news for people. */
const isNews = (row: TimelineRow): boolean => stepOf(row) === null || !hasStayed(row);
const hasStayed = (row: TimelineRow): boolean => row.kind === "machine.transitioned" && row.data.from === row.data.to;

/** What a page says of a row, and shows of what it carries: of an incident's own steps the move, and not what was heard. */
function tellEntry(row: TimelineRow): {
  readonly text: string | null;
  readonly data: Readonly<Record<string, unknown>>;
} {
  if (row.kind !== "machine.transitioned" || row.data.step === undefined)
    return { text: describeEvent(row), data: carriedBy(row) };
  const { step: _step, ...data } = row.data;
  return { text: `Recovery: ${data.from ?? "begins"} → ${data.to}.`, data };
}

function toTimelineEntry(row: TimelineRow, openedAtMs: number): z.infer<typeof timelineSchema> {
  const { text, data } = tellEntry(row);
  return {
    seq: row.seq,
    at: isoOf(row.atMs),
    after_ms: row.atMs - openedAtMs,
    kind: kindOf(row),
    ...withoutNulls({ text }),
    actor: row.actor,
    ...withoutNulls({ job_id: row.jobId, worker_id: row.workerId }),
    data: toWire(data),
  };
}

const isFirstStep = (row: TimelineRow): boolean =>
  row.kind === "machine.transitioned" && row.data.event === "xstate.init";

export interface ReportAbout {
  readonly nowMs: number;
  readonly isSimulated: boolean;
}

export function toIncidentReport(story: IncidentStory, { nowMs, isSimulated }: ReportAbout): IncidentReport {
  const { incident, rows } = story;
  const first = rows.find((row) => isFirstStep(row) && row.incidentId === incident.id);
  const origin = first === undefined ? undefined : stepOf(first)?.payload["origin"];
  return {
    ...toIncidentSummary(incident, nowMs),
    simulated: isSimulated,
    ending: endingOf(story),
    ...present({ origin: typeof origin === "string" ? origin : undefined }),
    cause: toCause(incident.data.fault ?? {}),
    joined: joinedOf(story).map((row) => ({
      at: isoOf(row.atMs),
      ...withoutNulls({ job_id: row.jobId }),
      cause: toCause(row.data.fault),
    })),
    rungs: rungsOf(story).map(toRung),
    canaries: canariesOf(story).map(({ row, hasPassed, reason }) => ({
      at: isoOf(row.atMs),
      passed: hasPassed,
      ...withoutNulls({ reason }),
    })),
    jobs: story.jobs.map(toTouched),
    job_count: story.jobCount,
    acts: actsOf(story).map((row) => {
      const text = describeEvent(row);
      return { at: isoOf(row.atMs), by: row.actor, kind: kindOf(row), ...withoutNulls({ text }) };
    }),
    timeline: rows.filter(isNews).map((row) => toTimelineEntry(row, incident.openedAtMs)),
    timeline_truncated: story.isTruncated,
  };
}
