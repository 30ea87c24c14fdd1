import { describe, expect, it } from "vitest";
import type { Phase } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import {
  afterFailure,
  afterSuccess,
  afterTime,
  ailmentOf,
  beginTrial,
  canRepeat,
  isOnTrial,
  type RungTrial,
} from "../../src/recovery/trials.ts";

const failedIn = (phase: Phase, message = "tensors of 81 and 80 do not match") =>
  classify({
    workerFailure: {
      exceptionType: "RuntimeError",
      message,
      phase,
      step: 1,
      causes: [],
      memory: null,
      deviceUsable: true,
    },
  });
const denoise = failedIn("denoise");
const trial = (known: Partial<RungTrial> = {}): RungTrial => ({
  ...ailmentOf(denoise, ["j1", "j2"]),
  rung: {
    incidentId: "i1",
    workerId: "w0",
    failureType: "generation_pipeline_error",
    action: "restart_pipeline",
    climb: 1,
    startedAtMs: 5,
  },
  outcome: "unknown",
  untilMs: 1_000,
  ...known,
});

describe("a repair on trial", () => {
  it("that was unknown has helped when one of its jobs gets its result, and stays on trial for the others", () => {
    const { trials, revisions } = afterSuccess([trial()], "j1");
    expect(revisions).toMatchObject([{ rung: { action: "restart_pipeline" }, from: "unknown", to: "effective" }]);
    expect(trials).toMatchObject([{ jobIds: ["j2"], outcome: "effective" }]);
    expect(afterSuccess(trials, "j2")).toEqual({ trials: [], revisions: [] });
  });
  it.each(["unknown", "effective"] as const)("that was %s has not helped when a job fails alike again", (outcome) => {
    const again = failedIn("denoise", "tensors of 41 and 40 do not match");
    const { trials, revisions } = afterFailure([trial({ outcome })], "j2", again);
    expect(revisions).toMatchObject([{ from: outcome, to: "ineffective" }]);
    expect(trials).toEqual([]);
  });
  it("has helped when the job fails by something else later on in its render", () => {
    const { revisions } = afterFailure([trial()], "j1", failedIn("decode", "another thing"));
    expect(revisions).toMatchObject([{ from: "unknown", to: "effective" }]);
  });
  it.each([
    ["by something else in the same phase", "j1", failedIn("denoise", "another thing")],
    ["by something else before that", "j1", failedIn("encode", "another thing")],
    ["by the end of its process", "j1", classify({ exitSignal: "SIGKILL" })],
    ["that is none of its jobs, alike", "j9", denoise],
  ])("is not decided by a job that fails %s", (_, jobId, fault) => {
    const before = [trial()];
    expect(afterFailure(before, jobId, fault)).toEqual({ trials: before, revisions: [] });
  });
  it("ends undecided when its time is over, and what was proven stands", () => {
    expect(afterTime([trial()], 999).trials).toHaveLength(1);
    expect(afterTime([trial()], 1_000)).toMatchObject({ trials: [], revisions: [{ from: "unknown", to: "unknown" }] });
    expect(afterTime([trial({ outcome: "effective" })], 1_000)).toEqual({ trials: [], revisions: [] });
  });
  it("makes room for a new one, oldest first", () => {
    const many = Array.from({ length: 64 }, (_, climb) => trial({ rung: { ...trial().rung, climb } }));
    const { trials, revisions } = beginTrial(many, trial());
    expect(trials).toHaveLength(64);
    expect(revisions).toMatchObject([{ rung: { climb: 0 }, to: "unknown" }]);
    expect(beginTrial([trial()], trial()).revisions).toEqual([]);
  });
  it.each([
    ["restart_pipeline", "effective", true],
    ["restart_pipeline", "unknown", true],
    ["restart_pipeline", "ineffective", false],
    ["restart_pipeline", "skipped", false],
    ["fallback_to_mock", "effective", false],
  ] as const)("is it of %s %s: %s", (action, outcome, expected) => {
    expect(isOnTrial(action, outcome)).toBe(expected);
  });
});

describe("what failed can be run again", () => {
  it.each([
    ["a phase of the render", denoise, true],
    ["an error of no known phase", classify({ message: "odd" }), true],
    ["the writing of the file", failedIn("mux"), false],
    ["the check of the file", classify({ outputProblem: "it is black" }), false],
    ["the end of the process", classify({ exitSignal: "SIGSEGV" }), false],
    ["a silent process", classify({ silentForMs: 9_000 }), false],
    ["a stalled render", classify({ stalledForMs: 9_000 }), false],
  ])("%s: %o is %s", (_, fault, expected) => {
    expect(canRepeat(fault)).toBe(expected);
  });
});
