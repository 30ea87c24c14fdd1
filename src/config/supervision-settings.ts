/** How workers are watched, stopped and recovered. */
import { z } from "zod";
import { failureTypes, recoveryActions } from "../core/words.ts";
import { duration, group, live, oneOf, wholeNumber } from "./fields.ts";

export const stopSchema = group({
  request: duration("30s", { min: "100ms", max: "10m" }).describe(
    "How long a worker that is asked to end may take, its checkpoint included.",
  ),
  term: duration("10s", { min: "100ms", max: "10m" }).describe("How long it may take after SIGTERM, before SIGKILL."),
  kill: duration("5s", { min: "100ms", max: "10m" }).describe(
    "How long the kernel may take to remove it after SIGKILL.",
  ),
  drain: live(
    duration("0s", { min: "0s", max: "24h" }).describe(
      "On SIGTERM jobs in hand may end for so long, while no other is taken; 0s gives them back at once, and the next start goes on.",
    ),
  ),
})
  .prefault({})
  .transform(({ request, term, kill, drain }) => ({ requestMs: request, termMs: term, killMs: kill, drainMs: drain }));

export const supervisionSchema = group({
  // Ten missed heartbeats; a load may block the interpreter for longer, while it pins tens of gigabytes of memory.
  silence: duration("10s", { min: "500ms", max: "10m" }).describe(
    "Without a heartbeat for so long a worker is stopped and restarted.",
  ),
  loadingSilence: duration("60s", { min: "500ms", max: "1h" }).describe("The same while it loads a model."),
  stillness: duration("5m", { min: "1s", max: "1h" }).describe(
    "A worker without a job whose main thread does nothing for so long is stopped and restarted, although its heartbeats go on.",
  ),
  handshake: duration("2m", { min: "1s", max: "1h" }).describe(
    "How long a new worker may take until it answers; a Python worker imports gigabytes first, which a slow disk or a busy host draws out.",
  ),
  crashLoopDeaths: wholeNumber(5, { min: 2, max: 100_000 }).describe(
    "Deaths within the window until a worker is not restarted by itself any more.",
  ),
  crashLoopWindow: duration("10m", { min: "1s", max: "24h" }).describe("The window of crashLoopDeaths."),
  backoffLongest: duration("60s", { min: "1s", max: "1h" }).describe(
    "A worker that died is started again after 1, 2, 4 ... seconds, at most after this.",
  ),
  checkpoint: duration("30s", { min: "1ms", max: "1h" }).describe(
    "At most so much of a render's work is lost with its worker, or one step where a step takes longer.",
  ),
  richerAfter: duration("5m", { min: "1s", max: "24h" }).describe(
    "A worker that was made leaner loads one memory mode richer when there was room for it for so long; doubles, to an hour, after a step that fails.",
  ),
  idleUnload: live(
    duration("0s", { min: "0s", max: "30d" }).describe(
      "After so long without a job the workers end and give their cards back; the next job starts them. 0s keeps them.",
    ),
  ),
})
  .prefault({})
  .transform((supervision) => ({
    silenceMs: supervision.silence,
    loadingSilenceMs: supervision.loadingSilence,
    stillnessMs: supervision.stillness,
    handshakeMs: supervision.handshake,
    crashLoopDeathCount: supervision.crashLoopDeaths,
    crashLoopWindowMs: supervision.crashLoopWindow,
    backoffLongestMs: supervision.backoffLongest,
    checkpointMs: supervision.checkpoint,
    richerAfterMs: supervision.richerAfter,
    idleUnloadMs: supervision.idleUnload,
  }));

/** Each wait is longer than the one before it by this factor, as the predecessor's tables have it. */
const waitFactors = { downloads: 2, loads: 1.5 } as const;

const retriesSchema = group({
  downloads: wholeNumber(3, { min: 1, max: 100 }).describe(
    "How often a download is tried in all, the first time included, before it has failed; bytes that arrive give all tries back.",
  ),
  downloadFirst: duration("5s", { min: "1ms", max: "1h" }).describe(
    "The wait before the second try of a download; doubles.",
  ),
  downloadLongest: duration("60s", { min: "1ms", max: "24h" }).describe("The longest wait between two such tries."),
  loads: wholeNumber(2, { min: 1, max: 100 }).describe(
    "How often the load of a model is tried in all, the first time included; a download that failed uses up none of them.",
  ),
  loadFirst: duration("2s", { min: "1ms", max: "1h" }).describe(
    "The wait before the second try of a load; each one after it is half as long again.",
  ),
  loadLongest: duration("10s", { min: "1ms", max: "24h" }).describe("The longest wait between two such tries."),
})
  .prefault({})
  .transform((retries) => ({
    downloads: {
      tryCount: retries.downloads,
      firstMs: retries.downloadFirst,
      factor: waitFactors.downloads,
      longestMs: retries.downloadLongest,
    },
    loads: {
      tryCount: retries.loads,
      firstMs: retries.loadFirst,
      factor: waitFactors.loads,
      longestMs: retries.loadLongest,
    },
  }));

export const recoverySchema = group({
  ladders: z
    .partialRecord(oneOf(failureTypes), z.array(oneOf(recoveryActions)).max(20))
    .default({})
    .describe("Ladders that replace the built-in ones, by failure type; each must end in fallback_to_mock."),
  cooldown: duration("30s", { min: "0s", max: "1h" }).describe(
    "After a climb; a fault within it starts no new one, its job takes the fallback.",
  ),
  climbs: wholeNumber(3, { min: 1, max: 20 }).describe("Climbs in one incident until only probes look back."),
  budgetActions: wholeNumber(10, { min: 1, max: 100_000 }).describe(
    "Heavy actions (start, reload, download) within the window.",
  ),
  budgetWindow: duration("1h", { min: "1m", max: "24h" }).describe("The window of budgetActions."),
  lookBackFirst: duration("30s", { min: "100ms", max: "1h" }).describe(
    "First wait before a test render looks whether the main model can return; doubles.",
  ),
  lookBackLongest: duration("10m", { min: "100ms", max: "24h" }).describe("Longest such wait."),
  breakerRepairs: wholeNumber(3, { min: 1, max: 100 }).describe(
    "Repairs of a worker within ten minutes until it is given no more jobs for a while.",
  ),
  breakerFirst: duration("60s", { min: "100ms", max: "1h" }).describe("How long it is left alone first; doubles."),
  breakerLongest: duration("30m", { min: "100ms", max: "24h" }).describe("How long at most."),
  retries: retriesSchema.describe("How often downloads and loads are tried before recovery is asked."),
})
  .prefault({})
  .transform((recovery) => ({
    ladders: recovery.ladders,
    cooldownMs: recovery.cooldown,
    climbCount: recovery.climbs,
    budget: { heavyActionCount: recovery.budgetActions, windowMs: recovery.budgetWindow },
    lookBack: { firstMs: recovery.lookBackFirst, longestMs: recovery.lookBackLongest },
    retries: recovery.retries,
    breaker: {
      repairCount: recovery.breakerRepairs,
      firstOpenMs: recovery.breakerFirst,
      longestOpenMs: recovery.breakerLongest,
    },
  }));
