/** What the reports of a pipeline mean for everybody else: jobs that begin and end, faults, stalls. */
import { classify } from "../recovery/classify.ts";
import { childIds } from "./supervisor-children.ts";
import { openOrJoin } from "./supervisor-incidents.ts";
import { recycleIfAsked, releaseIfPaused } from "./supervisor-intake.ts";
import { type Handlers, join, noteKnown, nothing, send, tell, toIncidents, updateWorker } from "./supervisor-route.ts";
import { jobHasFailed, jobHasSucceeded } from "./supervisor-trials.ts";

export const jobHandlers: Handlers = {
  "job.begun": (context, { workerId, jobId }) =>
    join(
      updateWorker(context, workerId, { jobId }),
      send(childIds.worker(workerId), { type: "job.begun" }),
      toIncidents(context, workerId, { type: "job.begun", workerId, jobId }),
    ),
  "job.ended": (context, { workerId, jobId, isSuccessful }) => {
    const ended =
      context.workers[workerId]?.jobId === jobId ? updateWorker(context, workerId, { jobId: null }) : nothing;
    return join(
      ended,
      send(childIds.worker(workerId), { type: "job.ended" }),
      send(childIds.breaker(workerId), { type: "job.ended", workerId, isSuccessful }),
      toIncidents(context, workerId, { type: "job.ended", workerId, isSuccessful }),
      releaseIfPaused({ ...context, ...ended.change }, workerId),
      isSuccessful ? jobHasSucceeded(context, jobId) : nothing,
    );
  },
  "job.cancel": (_, { workerId, jobId }) => send(childIds.pipeline(workerId), { type: "job.cancel", jobId }),
  "fault.raised": (context, event) => {
    const { fault, workerId, model, jobId } = event.report;
    const origin = event.isHealthOnly ? "health" : "fault";
    return join(
      openOrJoin(context, { workerId, fault, model, jobId, origin }),
      event.isHealthOnly ? nothing : jobHasFailed(context, jobId, fault),
    );
  },
  "render.planned": (context, { workerId, peakBytes: planned }) =>
    noteKnown(context, workerId, Math.max(context.workers[workerId]?.knownBytes ?? 0, planned)),
  // No budget: that a job wants another model or memory mode is work and no repair, and a spent budget must not stop the work.
  "model.wanted": (_, { workerId, model, profile }) =>
    send(childIds.loader(workerId), { type: "model.load", model, profile }),
  "pipeline.suspended": (context, { workerId }) =>
    join(recycleIfAsked(context, workerId), toIncidents(context, workerId, { type: "pipeline.suspended", workerId })),
  // The pipeline has its worker restarted; the incident waits for that like for any other death, and proves it.
  "pipeline.stalled": (context, { workerId, jobId, evidence }) => {
    const fault = classify(evidence);
    const { stalledForMs, mainThreadIdleMs } = evidence;
    return join(
      tell({
        type: "pipeline.stalled",
        workerId,
        data: {
          job_id: jobId,
          ...(stalledForMs === undefined ? {} : { stalled_for_ms: stalledForMs }),
          main_thread_idle_ms: mainThreadIdleMs ?? null,
        },
      }),
      openOrJoin(context, { workerId, fault, model: null, jobId, origin: "workerDeath" }),
      jobHasFailed(context, jobId, fault),
    );
  },
  "pipeline.stopped": (context, { workerId }) =>
    updateWorker(context, workerId, { isPipelineStopped: true, jobId: null }),
};
