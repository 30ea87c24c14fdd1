import { describe, expect, it } from "vitest";
import {
  type ExpectationName,
  isAnyAwaited,
  judgeExpectations,
  type Seen,
} from "../../../src/app/drills/expectations.ts";
import type { AttemptView, JobView } from "../../../src/core/job.ts";
import type { LoadProfile } from "../../../src/core/words.ts";

const attempt = (code: string | null): AttemptView => ({
  fence: 1,
  workerId: "worker-0",
  startedAtMs: 0,
  endedAtMs: 1,
  outcome: code === null ? "release" : "error",
  code,
  message: null,
  signature: null,
  evidence: null,
  plan: null,
});
type JobPart = Pick<JobView, "state" | "errorCode" | "attemptList" | "attempts" | "deaths">;
const jobOf = (change: Partial<JobPart>): JobView =>
  ({ state: "succeeded", errorCode: null, attemptList: [], attempts: 0, deaths: 0, ...change }) as JobView;
const nothingSeen: Seen = {
  jobs: [],
  modes: new Set(),
  actions: [],
  hasBreakerOpened: false,
  hasBreakerClosed: false,
  profilesBefore: new Map(),
  profilesNow: new Map(),
};
const isMet = (name: ExpectationName, seen: Partial<Seen>): boolean | undefined =>
  judgeExpectations([name], { ...nothingSeen, ...seen })[0]?.isMet;

describe("a bad job ends by its own error within three attempts", () => {
  const errors = (count: number): readonly AttemptView[] =>
    Array.from({ length: count }, () => attempt("WORKER_ERROR"));

  it.each<[string, Partial<JobPart>, boolean]>([
    ["with the code of its attempts", { state: "failed", errorCode: "WORKER_ERROR", attemptList: errors(3) }, true],
    [
      "as one that cannot be rendered",
      { state: "failed", errorCode: "JOB_UNRENDERABLE", attemptList: errors(2) },
      true,
    ],
    [
      "whatever attempts were given back",
      { state: "failed", errorCode: "WORKER_ERROR", attemptList: [...errors(2), attempt(null), attempt(null)] },
      true,
    ],
    ["not after four", { state: "failed", errorCode: "WORKER_ERROR", attemptList: errors(4) }, false],
    ["not by its deadline", { state: "failed", errorCode: "JOB_DEADLINE_EXCEEDED", attemptList: errors(1) }, false],
    ["not while it waits", { state: "queued", attemptList: errors(1) }, false],
    ["not by success", { state: "succeeded" }, false],
  ])("%s", (_, job, met) => {
    expect(isMet("ownFaultEndsIt", { jobs: [jobOf(job)] })).toBe(met);
  });
});

const profilesOf = (entries: readonly (readonly [string, LoadProfile | null])[]): Seen["profilesNow"] =>
  new Map(entries);

describe("beside its stages a drill shows", () => {
  it.each<[string, ExpectationName, Partial<Seen>, Partial<Seen>]>([
    [
      "no mode of stand-ins only",
      "neverStandsIn",
      { modes: new Set(["ready", "recovering"]) },
      { modes: new Set(["mock"]) },
    ],
    [
      "no repair that counts",
      "nothingRepaired",
      { actions: ["clear_gpu_cache: ineffective"] },
      { actions: ["clear_gpu_cache: effective"] },
    ],
    ["no attempt charged", "nobodyCharged", { jobs: [jobOf({})] }, { jobs: [jobOf({ attempts: 1 })] }],
    ["no death charged", "nobodyCharged", { jobs: [jobOf({})] }, { jobs: [jobOf({ deaths: 1 })] }],
    ["a breaker that opens", "breakerOpens", { hasBreakerOpened: true }, {}],
    ["a breaker that closes", "breakerCloses", { hasBreakerClosed: true }, { hasBreakerOpened: true }],
    [
      "every memory mode as it was",
      "memoryModeReturns",
      { profilesBefore: profilesOf([["a", "full"]]), profilesNow: profilesOf([["a", "full"]]) },
      { profilesBefore: profilesOf([["a", "full"]]), profilesNow: profilesOf([["a", "fp8"]]) },
    ],
  ])("%s", (_, name, met, unmet) => {
    expect([isMet(name, met), isMet(name, unmet)]).toEqual([true, false]);
  });

  it("something that it waits for, and goes on until it has come", () => {
    const before = {
      ...nothingSeen,
      profilesBefore: profilesOf([["a", "full"]]),
      profilesNow: profilesOf([["a", "fp8"]]),
    } as const;
    expect(isAnyAwaited(["memoryModeReturns"], before)).toBe(true);
    expect(isAnyAwaited(["memoryModeReturns"], { ...before, profilesNow: profilesOf([["a", "full"]]) })).toBe(false);
    expect(isAnyAwaited(["breakerOpens", "nothingRepaired"], nothingSeen)).toBe(false);
  });
});
