import { describe, expect, it } from "vitest";
import {
  type ExpectationName,
  isAnyAwaited,
  judgeExpectations,
  type Seen,
} from "../../../src/app/drills/expectations.ts";
import type { AttemptView, JobView } from "../../../src/core/job.ts";

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
  breaker: "closed",
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
    ["a breaker that opens", "breakerOpens", { breaker: "opened" }, {}],
    ["a breaker that closes", "breakerCloses", { breaker: "reclosed" }, { breaker: "opened" }],
    [
      "every memory mode as it was",
      "memoryModeReturns",
      { profilesBefore: new Map([["a", "full"]]), profilesNow: new Map([["a", "full"]]) },
      { profilesBefore: new Map([["a", "full"]]), profilesNow: new Map([["a", "fp8"]]) },
    ],
  ])("%s", (_, name, met, unmet) => {
    expect([isMet(name, met), isMet(name, unmet)]).toEqual([true, false]);
  });

  it("something that it waits for, and goes on until it has come", () => {
    const full: Seen["profilesNow"] = new Map([["a", "full"]]);
    const before: Seen = { ...nothingSeen, profilesBefore: full, profilesNow: new Map([["a", "fp8"]]) };
    expect(isAnyAwaited(["memoryModeReturns"], before)).toBe(true);
    expect(isAnyAwaited(["memoryModeReturns"], { ...before, profilesNow: full })).toBe(false);
    expect(isAnyAwaited(["breakerCloses"], { ...nothingSeen, breaker: "opened" })).toBe(true);
    expect(isAnyAwaited(["breakerOpens", "breakerCloses", "nothingRepaired"], nothingSeen)).toBe(false);
  });
});
