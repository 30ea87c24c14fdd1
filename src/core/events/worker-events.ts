/** Rows about one worker, its process and its models: each carries the worker's id. */
import { z } from "zod";
import { loadProfiles } from "../words.ts";
import { told } from "./define-event.ts";
import { errorCode } from "./fields.ts";

const unloadable = () => z.object({ model: z.string(), code: errorCode(), message: z.string() });

const retried = () =>
  z.object({
    model: z.string(),
    code: errorCode(),
    message: z.string(),
    try_number: z.number(),
    try_count: z.number(),
    retry_at_ms: z.number(),
  });

export const workerEvents = {
  "worker.connected": told("supervisor", "A worker's process answered the handshake, started anew or taken over.", () =>
    z.object({ pid: z.number(), adopted: z.boolean(), device: z.string() }),
  ),
  "worker.exited": told("supervisor", "A worker's process has ended, asked to or not.", () =>
    z.object({
      code: z.number().nullable(),
      signal: z.string().nullable(),
      expected: z.boolean(),
      silent_for_ms: z.number().exactOptional(),
    }),
  ),
  "worker.crashLooped": told("supervisor", "A worker ended too often within its window and is left alone.", () =>
    z.object({ deaths: z.number() }),
  ),
  "worker.notStarted": told(
    "supervisor",
    "A worker cannot start for a reason that only a person can mend; it is not started in a loop.",
    () => z.object({ code: errorCode(), message: z.string(), retry_at_ms: z.number() }),
  ),
  "worker.stopped": told(
    "supervisor",
    "A worker stays ended, as it was asked to; one that rests starts when it is wanted.",
    () => z.object({ resting: z.boolean() }),
  ),
  "worker.recycled": told("service", "A worker is to be started anew between two jobs, because it keeps memory.", () =>
    z.object({ bytes_per_job: z.number(), jobs_left: z.number(), confidence: z.number() }),
  ),
  "worker.killed": told("operator", "A simulated worker is killed on request.", () => z.object({ pid: z.number() })),
  "pipeline.stalled": told("supervisor", "A render made no progress for too long; its worker is restarted.", () =>
    z.object({
      job_id: z.string(),
      stalled_for_ms: z.number().exactOptional(),
      main_thread_idle_ms: z.number().nullable(),
    }),
  ),
  "model.proven": told("supervisor", "A model passed its test render on a worker.", () =>
    // `rendered`: the trial that a breaker asked for.
    z.object({ model: z.string(), profile: z.enum(loadProfiles), rendered: z.string().exactOptional() }),
  ),
  "profile.changed": told("service", "A worker loads its model in another memory mode than before.", () =>
    z.object({ from: z.enum(loadProfiles), to: z.enum(loadProfiles), why: z.string() }),
  ),
  "model.loadRetried": told(
    "supervisor",
    "A worker could not load a model and tries again by itself: `try_number` of `try_count` tries in all begins at `retry_at_ms`.",
    retried,
  ),
  "model.downloadRetried": told(
    "service",
    "A download of a model's files broke off and is tried again by itself: `try_number` of `try_count` tries in all begins at `retry_at_ms`.",
    retried,
  ),
  "model.loadFailed": told("supervisor", "A worker could not load its own model.", unloadable),
  "model.setAside": told(
    "supervisor",
    "A worker could not load a model beside its own; it serves its others.",
    unloadable,
  ),
  "breaker.opened": told("supervisor", "A worker is given no more jobs for now.", () =>
    // Rows of an older program did not say why, and until when.
    z.object({ because: z.string().exactOptional(), until_ms: z.number().exactOptional() }),
  ),
  "breaker.halfOpened": told(
    "supervisor",
    "A worker is tried by a test render, of the size of a job that was there if one is known, to see whether it can work again.",
    // An older program let one job decide.
    () => z.object({ test_render: z.boolean().exactOptional() }),
  ),
  "breaker.closed": told("supervisor", "A worker is given jobs again.", () =>
    z.object({ because: z.string().exactOptional() }),
  ),
  "budget.spent": told(
    "supervisor",
    "A heavy step of a repair was allowed; `spent` counts those of the last hour.",
    () => z.object({ action: z.string(), spent: z.number() }),
  ),
  "budget.exhausted": told("supervisor", "A heavy step was refused, because too many were made within the hour.", () =>
    z.object({ action: z.string(), retry_at_ms: z.number() }),
  ),
};
