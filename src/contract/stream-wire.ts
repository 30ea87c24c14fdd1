/** What goes over SSE and WebSocket. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { TimelineRow } from "../core/events.ts";
import type { JobProgress } from "../core/job.ts";
import { ifKnown, present, withoutNulls } from "../core/present.ts";
import { modes, phases } from "../core/words.ts";
import { describeEvent, listedKinds } from "./event-words.ts";
import { percentOf, secondsUp } from "./job-parts.ts";
import { modelName } from "./model-name.ts";
import { videoSchema } from "./output-wire.ts";
import { healthSchema, incidentSchema, toHealth, toIncident } from "./recovery-wire.ts";
import { toWire } from "./renaming.ts";
import type { ServiceStatus, WorkerStatus } from "./service-views.ts";
import { queueSchema, taskSchema } from "./task-wire.ts";

export const rowSchema = z.strictObject({
  seq: z.number().int(),
  at: z.iso.datetime(),
  kind: z.string(),
  actor: z.string(),
  job_id: z.string().optional(),
  incident_id: z.string().optional(),
  worker_id: z.string().optional(),
  /** The row in words; absent where it says nothing to people. */
  text: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});
export type RowWire = z.infer<typeof rowSchema>;

/** As it is on disk, also where this version does not know it. */
export const kindOf = (row: TimelineRow): string => (row.kind === "unread" ? row.data.kind : row.kind);
export const carriedBy = (row: TimelineRow): Readonly<Record<string, unknown>> =>
  row.kind === "unread" ? row.data.fields : row.data;

export function toRow(row: TimelineRow): RowWire {
  const text = describeEvent(row);
  return {
    seq: row.seq,
    at: isoOf(row.atMs),
    kind: kindOf(row),
    actor: row.actor,
    ...withoutNulls({ job_id: row.jobId, incident_id: row.incidentId, worker_id: row.workerId, text }),
    data: toWire(carriedBy(row)),
  };
}

export const progressSchema = z.strictObject({
  job_id: z.string(),
  worker_id: z.string(),
  phase: z.enum(phases),
  step: z.number().int(),
  of: z.number().int(),
  /** Whole percent of the job. */
  progress: z.number().int(),
  eta_seconds: z.number().int().optional(),
});

export const toProgress = (progress: JobProgress): z.infer<typeof progressSchema> => ({
  job_id: progress.jobId,
  worker_id: progress.workerId,
  phase: progress.phase,
  step: progress.step,
  of: progress.of,
  progress: percentOf(progress),
  ...present({ eta_seconds: ifKnown(progress.etaMs, secondsUp) }),
});

export const modeSchema = z.strictObject({ mode: z.enum(modes), sentence: z.string() });

const workerSchema = z.strictObject({
  id: z.string(),
  pid: z.number().int().optional(),
  state: z.string(),
  tags: z.array(z.string()),
  kind: z.string(),
});
const toWorker = (worker: WorkerStatus): z.infer<typeof workerSchema> => ({
  id: worker.id,
  ...withoutNulls({ pid: worker.pid }),
  state: worker.state,
  tags: [...worker.tags],
  kind: worker.kind,
});

/** All that a page needs to begin with; what follows on the stream brings it up to date. */
export const snapshotSchema = z.strictObject({
  seq: z.number().int(),
  at: z.iso.datetime(),
  mode: z.enum(modes),
  sentence: z.string(),
  simulated: z.boolean(),
  model: modelName,
  workers: z.array(workerSchema),
  health: healthSchema.optional(),
  incidents: z.array(incidentSchema),
  running: z.array(progressSchema),
  queue: queueSchema.omit({ tasks: true, queue: true }),
  /** Jobs that are not at their end, and the newest ones; newest first. */
  tasks: z.array(taskSchema),
  last_output: videoSchema.optional(),
  /** Rows that a page lists, oldest first. */
  recent: z.array(rowSchema),
  /** The kinds of rows that a page lists: a browser hears only the events that it names. */
  described_kinds: z.array(z.string()),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

export function toSnapshot(
  status: ServiceStatus,
  rest: Pick<Snapshot, "seq" | "queue" | "tasks" | "recent" | "last_output"> & { readonly nowMs: number },
): Snapshot {
  const { nowMs, ...stored } = rest;
  return {
    ...stored,
    at: isoOf(nowMs),
    mode: status.mode,
    sentence: status.sentence,
    simulated: status.isSimulated,
    model: status.model,
    workers: status.workers.map(toWorker),
    ...present({ health: ifKnown(status.health, toHealth) }),
    incidents: status.openIncidents.map(toIncident),
    running: status.running.map(toProgress),
    described_kinds: [...listedKinds],
  };
}

/** All that a client of the health stream needs to begin with. */
export function toHealthSnapshot(
  status: ServiceStatus,
  seq: number,
): { readonly seq: number } & Readonly<Record<string, unknown>> {
  const { health, mode, sentence, openIncidents } = status;
  const known = health === null ? { overall_status: "unknown" } : toHealth(health);
  return { ...known, seq, mode, sentence, incidents: openIncidents.map(toIncident) };
}

/**
 * The fields stand flat, as the compatible socket documents them, and again under `data`, where its clients read them.
 */
export const bothWays = (type: string, data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  ...data,
  type,
  data,
});
