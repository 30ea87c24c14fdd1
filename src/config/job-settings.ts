/** What jobs are promised: their place in the queue, what they consent to, how long what they made is kept. */
import { fallbackConsents, reductionKinds } from "../core/words.ts";
import { amount, duration, group, listOf, live, oneOf, wholeNumber } from "./fields.ts";

export const queueSchema = group({
  maxJobs: live(
    wholeNumber(1_000, { min: 1, max: 1_000_000 }).describe(
      "Queued jobs at most; further submissions are answered 429.",
    ),
  ),
  maxJobsPerKey: live(
    wholeNumber(1_000, { min: 1, max: 1_000_000 }).describe("Queued jobs of one key at most; the same answer."),
  ),
  deadline: live(
    duration("24h", { min: "1s", max: "7d" }).describe(
      "Past it a job without a result fails, unless the request names its own.",
    ),
  ),
  quarantineDeaths: wholeNumber(2, { min: 1, max: 100 }).describe("Workers that a job may end before it is set aside."),
  attempts: wholeNumber(3, { min: 1, max: 1_000 }).describe(
    "Attempts of a job that end in an error of its own until it fails; what is not its fault is not counted.",
  ),
})
  .prefault({})
  .transform((queue) => ({
    maxJobCount: queue.maxJobs,
    maxJobsPerKeyCount: queue.maxJobsPerKey,
    deadlineMs: queue.deadline,
    quarantineDeathCount: queue.quarantineDeaths,
    attemptCount: queue.attempts,
  }));
export const retentionSchema = group({
  results: live(
    duration("30d", { min: "1m", max: "3650d" }).describe("Age at which a result and its job are deleted."),
  ),
  resultsSize: live(
    amount("50GiB", { min: "1MiB", max: "1024TiB" }).describe("Bytes of results at most; the oldest go first."),
  ),
  standIns: live(duration("7d", { min: "1m", max: "3650d" }).describe("Age at which a stand-in is deleted.")),
  events: live(duration("30d", { min: "1m", max: "3650d" }).describe("Age at which an event is deleted.")),
  leftovers: live(
    duration("1h", { min: "1m", max: "30d" }).describe("Age at which a file that no job names is deleted."),
  ),
  every: duration("1h", { min: "1s", max: "24h" }).describe("Time between two such cleanings."),
})
  .prefault({})
  .transform((retention) => ({
    resultMaxAgeMs: retention.results,
    resultMaxBytes: retention.resultsSize,
    standInMaxAgeMs: retention.standIns,
    eventMaxAgeMs: retention.events,
    orphanMinAgeMs: retention.leftovers,
    everyMs: retention.every,
  }));

const floorSchema = group({
  width: wholeNumber(854, { min: 16, max: 7_680 }),
  height: wholeNumber(480, { min: 16, max: 7_680 }),
  frames: wholeNumber(33, { min: 1, max: 1_000 }),
});

export const consentSchema = (allowed: readonly (typeof reductionKinds)[number][]) =>
  group({
    fallback: live(
      oneOf(fallbackConsents)
        .default("stand_in_then_real")
        .describe("What a job gets while no worker can give real output, unless it says so itself."),
    ),
    allow: live(
      listOf(oneOf(reductionKinds))
        .prefault([...allowed])
        .describe("What may be reduced when memory does not suffice."),
    ),
    floor: live(
      floorSchema.nullable().prefault({ width: 854, height: 480, frames: 33 }).describe("How far; null for no floor."),
    ),
  }).prefault({});

export const standInSchema = group({
  after: live(
    duration("2s", { min: "0s", max: "1h" }).describe(
      "How long a job waits for a usable worker before its stand-in is made.",
    ),
  ),
})
  .prefault({})
  .transform(({ after }) => ({ afterMs: after }));
