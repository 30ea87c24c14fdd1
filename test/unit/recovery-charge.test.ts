import { describe, expect, it } from "vitest";
import type { Evidence } from "../../src/core/fault.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { firstOfItsKind } from "../../src/recovery/blame.ts";
import {
  chargeOfDeath,
  chargeOfError,
  evidenceOfError,
  explanationOf,
  failureOf,
  toldExplanation,
} from "../../src/recovery/charge.ts";
import { classify, faultOf } from "../../src/recovery/classify.ts";
import { recognition } from "../../src/recovery/recognition.ts";

const first = { attempt: 1, hostLosses: 0 };
const begun = { hasBegun: true, recurrence: firstOfItsKind };
const waiting = { ...begun, hasBegun: false };
const own = { isOwnSignal: false } as const;
const xid = "NVRM: Xid (PCI:0000:0a:00): 79, pid=1, GPU has fallen off the bus.";
const oomKill = "Out of memory: Killed process 7 (python) total-vm:1kB";

const explained = (evidence: Evidence, change: Partial<Parameters<typeof explanationOf>[0]> = {}) =>
  explanationOf({ fault: classify(evidence), hasBegun: true, recurrence: firstOfItsKind, ...change });

describe("a worker's death under a job", () => {
  it.each<[string, Evidence, string]>([
    ["exit code 0", { ...own, exitCode: 0 }, "outside"],
    ["exit code 0 after an old traceback in its log", { exitCode: 0, logTail: "ValueError: old" }, "outside"],
    ["SIGTERM", { ...own, exitSignal: "SIGTERM" }, "outside"],
    ["exit code 143", { ...own, exitCode: 143 }, "outside"],
    ["exit code 137", { ...own, exitCode: 137 }, "outside"],
    ["exit code 130", { ...own, exitCode: 130 }, "outside"],
    ["SIGHUP", { ...own, exitSignal: "SIGHUP" }, "outside"],
    ["a limit of processor time", { ...own, exitSignal: "SIGXCPU" }, "outside"],
    ["SIGKILL from nobody known", { ...own, exitSignal: "SIGKILL", oomKillCount: 0 }, "outside"],
    ["SIGKILL that somebody asked for", { ...own, exitSignal: "SIGKILL", isOnRequest: true }, "request"],
    ["the cgroup's killer", { ...own, exitSignal: "SIGKILL", oomKillCount: 1 }, "place"],
    ["the kernel's killer", { ...own, exitSignal: "SIGKILL", kernelLog: oomKill }, "place"],
    ["SIGKILL with the host's memory full", { ...own, exitSignal: "SIGKILL", hostMemoryUseRatio: 0.97 }, "place"],
    ["a lost card", { ...own, exitSignal: "SIGABRT", kernelLog: xid }, "place"],
    ["power that a card lacks", { exitCode: 1, gpu: { nvmlCode: 8 } }, "place"],
    ["a driver that is gone", { exitCode: 1, gpu: { smiExitCode: 9 } }, "place"],
    ["its configuration", { ...own, exitCode: 78 }, "place"],
    ["silence, because it was stopped", { silentForMs: 9_000, processState: "T" }, "outside"],
    ["an end that nobody saw", { ...own }, "unseen"],
  ])("by %s is explained without the job", (_, evidence, by) => {
    const explanation = explained(evidence);
    expect(explanation?.by).toBe(by);
    expect(toldExplanation(explanation)).toEqual({ ended_by: by, explained_by: explanation?.because });
    expect(chargeOfDeath(classify(evidence), first, explanation)).toMatchObject({
      kind: "hostLoss",
      isSuspect: false,
      isRetryable: true,
    });
  });

  it.each<[string, Evidence]>([
    ["SIGSEGV", { ...own, exitSignal: "SIGSEGV" }],
    ["SIGABRT", { ...own, exitSignal: "SIGABRT" }],
    ["exit code 139", { ...own, exitCode: 139 }],
    ["exit code 1", { ...own, exitCode: 1 }],
    ["a render that stands still", { stalledForMs: 900_000 }],
    ["silence", { silentForMs: 9_000, processState: "R" }],
  ])("by %s is charged to the job, because nothing else explains it", (_, evidence) => {
    const explanation = explained(evidence);
    expect([explanation, toldExplanation(explanation)]).toEqual([null, {}]);
    expect(chargeOfDeath(classify(evidence), first, explanation)).toMatchObject({ kind: "death", isSuspect: true });
  });

  it("by the kernel's killer is charged where the same job brings it again, and others are rendered in between", () => {
    const evidence: Evidence = { ...own, exitSignal: "SIGKILL", oomKillCount: 1 };
    const again = { ...firstOfItsKind, processCount: 1 };
    expect(explained(evidence, { recurrence: { ...again, processCount: 9 } })?.by).toBe("place");
    const explanation = explained(evidence, { recurrence: { ...again, hasOtherSucceeded: true } });
    expect(explanation).toBeNull();
    expect(chargeOfDeath(classify(evidence), first, explanation)).toMatchObject({ kind: "death", isSuspect: true });
  });

  it("is not charged before the render has begun, nor where another job's worker ended the same way", () => {
    const evidence: Evidence = { ...own, exitSignal: "SIGSEGV" };
    expect(explained(evidence, { hasBegun: false })?.by).toBe("place");
    const alike = { ...firstOfItsKind, hasSameUnderOther: true };
    expect(explained(evidence, { recurrence: alike })?.by).toBe("others");
    expect(explained(evidence, { recurrence: { ...alike, processCount: 1 } })?.by).toBe("others");
  });

  it("is charged where it comes again and again, and other jobs are rendered in between, whoever else fails alike", () => {
    const evidence: Evidence = { ...own, exitSignal: "SIGSEGV" };
    const recurrence = { processCount: 1, hasOtherSucceeded: true, hasSameUnderOther: true };
    expect(explained(evidence, { recurrence })).toBeNull();
  });
});

describe("an error of an attempt", () => {
  const unknown = classify({ message: "The size of tensor a (81) must match the size of tensor b (80)" });

  it("that is the request's own ends the job", () => {
    const request = faultOf(recognition("request", 0.9, "the worker refused it"), {});
    expect(chargeOfError(request, first, begun)).toMatchObject({ kind: "error", isRetryable: false, isSuspect: false });
  });

  it("that nobody can place makes the job a suspect, and ends it with a code of its own", () => {
    expect(chargeOfError(unknown, first, begun)).toMatchObject({
      kind: "error",
      isRetryable: true,
      isSuspect: true,
      endCode: "JOB_UNRENDERABLE",
    });
    const known = chargeOfError(faultOf(recognition("badOutput", 0.9, "measured"), {}), first, begun);
    expect(known).toMatchObject({ kind: "error", isSuspect: true });
    expect(known.endCode).toBeUndefined();
  });

  it("for want of memory makes the job a suspect that is not charged: another size or a quieter card may carry it", () => {
    for (const faultClass of ["outOfMemory", "outOfMemoryFragmented"] as const) {
      const fault = faultOf(recognition(faultClass, 0.9, "measured"), {});
      expect(chargeOfError(fault, first, begun)).toMatchObject({
        kind: "hostLoss",
        isSuspect: true,
        isRetryable: true,
      });
      expect(chargeOfError(fault, first, waiting)).toMatchObject({ kind: "hostLoss", isSuspect: false });
    }
  });

  it.each(["diskFull", "gpuLost", "modelFile", "outOfMemoryNeighbour"] as const)(
    "that is measured or told, %s, costs the job nothing but a wait",
    (faultClass) => {
      const fault = faultOf(recognition(faultClass, 0.9, "measured"), {});
      expect(chargeOfError(fault, first, begun)).toMatchObject({ kind: "hostLoss", isSuspect: false });
    },
  );

  const again = { ...firstOfItsKind, processCount: 1 };
  const amongOthers = { ...again, hasOtherSucceeded: true };
  const withOthers = { ...again, hasSameUnderOther: true };
  it.each([
    ["a lost context, the first time", "contextPoisoned", firstOfItsKind, "hostLoss"],
    ["a lost context, again in another process", "contextPoisoned", again, "error"],
    ["a lost context, under others too", "contextPoisoned", withOthers, "hostLoss"],
    [
      "a lost context, under others too, while a third is rendered",
      "contextPoisoned",
      { ...withOthers, ...amongOthers },
      "error",
    ],
    ["memory in pieces, again, where others are rendered", "outOfMemoryFragmented", amongOthers, "error"],
    ["a lost card, again", "gpuLost", again, "hostLoss"],
    ["a lost card, in the sixth process", "gpuLost", { ...again, processCount: 5 }, "error"],
    ["a lost card, in the sixth process, under others too", "gpuLost", { ...withOthers, processCount: 5 }, "hostLoss"],
    ["a lost card, again, where others are rendered", "gpuLost", amongOthers, "error"],
    ["a driver, again, where others are rendered", "driver", amongOthers, "error"],
    ["a full disk, again, where others are rendered", "diskFull", amongOthers, "hostLoss"],
    ["a neighbour, again, where others are rendered", "outOfMemoryNeighbour", amongOthers, "hostLoss"],
  ] as const)("by %s is charged as it should be", (_, faultClass, recurrence, kind) => {
    const fault = faultOf(recognition(faultClass, 0.9, "measured"), {});
    const isSuspect = kind === "error";
    expect(chargeOfError(fault, first, { hasBegun: true, recurrence })).toMatchObject({ kind, isSuspect });
  });

  it("before the render has begun costs the job nothing", () => {
    expect(chargeOfError(unknown, first, waiting)).toMatchObject({ kind: "hostLoss", isSuspect: false });
  });
});

describe("the evidence of an error", () => {
  it("says what told its class, and where in the render it came", () => {
    const about = { causes: [], deviceUsable: true, memory: null } as const;
    const workerFailure = {
      phase: "denoise",
      step: 3,
      exceptionType: "RuntimeError",
      message: "odd",
      ...about,
    } as const;
    expect(evidenceOfError(classify({ workerFailure }))).toMatchObject({
      fault_class: "unknown",
      phase: "denoise",
      step: 3,
      exception_type: "RuntimeError",
    });
    expect(Object.keys(evidenceOfError(classify({ message: "odd" })))).toEqual(["fault_class", "decided_by"]);
  });
});

describe("the wait after an attempt", () => {
  const unknown = classify({ message: "no idea" });
  const waitsOf = (of: (count: number) => { waitMs: number }): number[] =>
    [1, 2, 3, 4, 5, 6, 7].map((count) => of(count).waitMs);

  it("grows with the attempts that were charged: a second, half a minute, five minutes", () => {
    const waits = waitsOf((attempt) => chargeOfError(unknown, { attempt, hostLosses: 0 }, begun));
    expect(waits.slice(0, 4)).toEqual([secondMs, 30 * secondMs, 5 * minuteMs, 5 * minuteMs]);
  });

  it("grows with the losses, to ten minutes", () => {
    const waits = waitsOf((count) => chargeOfError(unknown, { attempt: 1, hostLosses: count - 1 }, waiting));
    expect(waits).toEqual([1, 4, 16, 64, 256, 600, 600].map((seconds) => seconds * secondMs));
  });

  it("is counted from the failure, which keeps its class, its message and its signature", () => {
    const failure = failureOf(unknown, chargeOfError(unknown, first, begun), { decided_by: "a" }, 5_000);
    expect(failure).toMatchObject({
      code: "WORKER_ERROR",
      message: "no idea",
      signature: "unknown: no idea",
      evidence: { decided_by: "a" },
      runAtMs: 5_000 + secondMs,
    });
    expect(Object.keys(failure)).not.toContain("waitMs");
  });
});
