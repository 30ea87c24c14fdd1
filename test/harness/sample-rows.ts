/** Rows for tests that need one and care about little of it: what they do not say is as the service writes it. */
import type { EventKind, EventMap, EventRow, NewEvent, RowHead } from "../../src/core/events.ts";
import { classify } from "../../src/recovery/classify.ts";

const fault = classify({ exitSignal: "SIGSEGV", message: "boom" });
const attempt = {
  fence: 1,
  attempt_ended_as: "error",
  code: "WORKER_ERROR",
  message: "it broke",
  attempts: 1,
  deaths: 0,
  host_losses: 0,
  model: "m",
  age_ms: 1,
} as const;
const lookBack = { look_back_at_ms: 1, climbs: 1, look_backs: 1 };
const unloadable = { model: "m", code: "MODEL_FILE_CORRUPT", message: "a file is damaged" } as const;
const retried = {
  ...unloadable,
  try_number: 2,
  try_count: 3,
  retry_at_ms: 1_700_000_000_000,
};
const measure = { atMs: 1, deviceFreeBytes: 1, workerReservedBytes: 1, workerAllocatedBytes: 1 };
const shown = { sha256: "0", reason: "the main model is loading" };
const space = { free_bytes: 1 };
const child = { child: "health", message: "it failed" };
const delivery = { type: "job.succeeded", delivery: 1, tries: 1 } as const;

/** What a row of each kind carries. */
export const sampleData: EventMap = {
  "job.submitted": { model: "m", width: 854, height: 480, frames: 81, steps: 20, simulated: false },
  "job.claimed": { fence: 1, attempt: 1, model: "m", waited_ms: 1 },
  "job.changed": { fence: 1, changes: [{ field: "frames", from: 81, to: 41, why: "memory does not suffice" }] },
  "job.adopted": { fence: 1 },
  "job.succeeded": {
    fence: 1,
    served_by: "real",
    simulated: false,
    sha256: "0",
    steps_rendered: 20,
    render_ms: 1,
    changed: false,
    model: "m",
    age_ms: 1,
  },
  "job.failed": attempt,
  "job.retried": attempt,
  "job.quarantined": { ...attempt, attempt_ended_as: "death", code: "JOB_QUARANTINED" },
  "job.cancelled": { model: "m", age_ms: 1 },
  "job.cancelRequested": {},
  "job.released": { fence: 1, why: "its lease ran out", model: "m" },
  "job.expired": { code: "JOB_DEADLINE_EXCEEDED", model: "m", age_ms: 1 },
  "job.requeued": { from: "quarantined" },
  "job.acquitted": { signature: "unknown: it failed", attempts: 0 },
  "job.dropped": { code: "JOB_QUARANTINED" },
  "job.stoodIn": shown,
  "job.thumbnailed": { sha256: "0" },
  "job.removed": { state: "succeeded" },
  "render.began": { fence: 1, adopted: false },
  "render.completed": { fence: 1, steps_rendered: 20, resumed_from_step: 0, held_bytes: 1 },
  "webhook.delivered": delivery,
  "webhook.abandoned": { ...delivery, problem: "it never answered" },
  "worker.connected": { pid: 1, adopted: false, device: "a card" },
  "worker.exited": { code: null, signal: "SIGKILL", expected: false },
  "worker.crashLooped": { deaths: 5 },
  "worker.notStarted": { code: "WORKER_CONFIGURATION", message: "Set ENGINE_URL.", retry_at_ms: 1_700_000_000_000 },
  "worker.stopped": { resting: false },
  "profile.changed": { from: "fp8", to: "tiling", why: "there was room for it all the time" },
  "worker.recycled": { bytes_per_job: 1, jobs_left: 1, confidence: 1 },
  "worker.killed": { pid: 1 },
  "pipeline.stalled": { job_id: "j", stalled_for_ms: 1, main_thread_idle_ms: null },
  "model.proven": { model: "m", profile: "full", rendered: "a small test render" },
  "model.loadRetried": retried,
  "model.downloadRetried": retried,
  "model.loadFailed": unloadable,
  "model.setAside": unloadable,
  "breaker.opened": { because: "it failed again and again", until_ms: 1_700_000_000_000 },
  "breaker.halfOpened": { test_render: true },
  "breaker.closed": { because: "one job was rendered" },
  "budget.spent": { action: "restart_pipeline", spent: 1 },
  "budget.exhausted": { action: "restart_pipeline", retry_at_ms: 1 },
  "incident.opened": { fault, model: "m", job_id: null, key: "k", failure_type: "vram_exhaustion" },
  "incident.joined": { fault },
  "incident.closed": { climbs: 1, status: "resolved", failure_type: "vram_exhaustion", open_ms: 1 },
  "incident.stoodIn": lookBack,
  "incident.exhausted": lookBack,
  "rung.started": { action: "clear_gpu_cache", failure_type: "vram_exhaustion", climb: 1 },
  "rung.ended": {
    action: "clear_gpu_cache",
    outcome: "effective",
    reason: "memory rose",
    failure_type: "vram_exhaustion",
    climb: 1,
    started_at_ms: 1,
    ended_at_ms: 2,
    evidence: { action: "clear_gpu_cache", before: measure, applied: [], after: measure },
  },
  "rung.revised": {
    action: "clear_gpu_cache",
    from: "unknown",
    to: "effective",
    reason: "the job's next attempt came past what had failed",
    failure_type: "vram_exhaustion",
    climb: 1,
    started_at_ms: 1,
  },
  "blame.settled": {
    blame: "job",
    because: "The test render passes, and no other job failed like this.",
    job_count: 1,
    job_ids: ["j1"],
    signature: "unknown: it failed",
  },
  "climb.ended": { climb: 1, outcome: "repaired" },
  "canary.passed": {},
  "canary.failed": {},
  "cooldown.started": { until_ms: 1 },
  "service.started": { epoch: 1 },
  "service.stopped": { workers_go_on: false },
  "mode.changed": { from: "loading", to: "ready" },
  "health.changed": { status: "healthy", issues: [] },
  "child.crashed": child,
  "child.abandoned": child,
  "machine.transitioned": { actor: "a", from: null, to: "b", event: "xstate.init", tags: [] },
  "intake.paused": { release_gpu: false },
  "intake.drained": {},
  "intake.resumed": {},
  "recovery.triggered": { failure_type: "vram_exhaustion", forced: false },
  "recovery.reset": {},
  "monitoring.started": {},
  "monitoring.stopped": {},
  "drill.began": { drill: "worker-killed" },
  "drill.ended": {
    drill: "worker-killed",
    passed: true,
    told_ms: 1,
    watchable_ms: 1,
    delivered_ms: 2,
    recovered_ms: null,
    bystander_ms: 0,
    lost_jobs: 0,
    false_claims: [],
  },
  "configuration.reloaded": { applied: ["standIn.after"], waiting: [] },
  "disk.short": space,
  "disk.recovered": space,
  "disk.ballastReleased": {},
  "retention.applied": { jobs: 1, files: 1 },
  "events.dropped": { count: 1 },
  "api.called": { method: "POST", route: "/api/v1/recovery/reset", status: 200, requestId: "r" },
  "key.created": { key: "k", role: "viewer" },
  "key.revoked": { key: "k" },
};

type About = Partial<Pick<RowHead, "actor" | "jobId" | "incidentId" | "workerId">>;

export function eventOf<Kind extends EventKind>(
  kind: Kind,
  data: Partial<EventMap[Kind]> = {},
  about: About = {},
): NewEvent<Kind> {
  return { kind, ...about, data: { ...sampleData[kind], ...data } } as NewEvent<Kind>;
}

export function rowOf<Kind extends EventKind>(
  kind: Kind,
  data: Partial<EventMap[Kind]> = {},
  about: Partial<RowHead> = {},
): EventRow<Kind> {
  const head = { seq: 1, atMs: 0, actor: "service", jobId: null, incidentId: null, workerId: null };
  return { ...head, kind, data: { ...sampleData[kind], ...data }, ...about } as EventRow<Kind>;
}
