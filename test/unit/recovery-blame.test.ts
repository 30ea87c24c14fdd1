import { describe, expect, it } from "vitest";
import type { Evidence } from "../../src/core/fault.ts";
import { faultClassNames } from "../../src/core/words.ts";
import { type Experiment, isConclusive, judgeBlame } from "../../src/recovery/blame.ts";
import { classify, faultOf } from "../../src/recovery/classify.ts";
import { faultClasses } from "../../src/recovery/fault-classes.ts";
import { recognition } from "../../src/recovery/recognition.ts";
import { signatureOf } from "../../src/recovery/signature.ts";

describe("the signature of a failure", () => {
  it.each([
    [
      "numbers",
      "The size of tensor a (81) must match the size of tensor b (80)",
      "The size of tensor a (7) must match the size of tensor b (9)",
    ],
    ["paths", "cannot open /models/wan/a.safetensors", "cannot open /mnt/other/b.safetensors"],
    ["addresses", "bad object at 0x7f3a", "bad object at 0x11"],
    ["ids", "job 7b0f6a52-6f39-4f0a-9d9a-0d8d5a2f3c11 failed", "job 0a0f6a52-6f39-4f0a-9d9a-0d8d5a2f3c99 failed"],
  ])("is the same whatever %s it names", (_, one, other) => {
    expect(signatureOf(classify({ message: one }))).toBe(signatureOf(classify({ message: other })));
  });

  it("tells one failure from another", () => {
    const [one, other] = ["shape mismatch in scheduler state", "expected scalar type Half"].map((message) =>
      signatureOf(classify({ message })),
    );
    expect(one).not.toBe(other);
  });
});

describe("conclusive evidence", () => {
  const brokenFile = {
    phase: "denoise",
    step: 1,
    exceptionType: "safetensors_rust.SafetensorError",
    message: "Error while deserializing header: incomplete metadata, file not fully covered",
    causes: [],
    deviceUsable: true,
    memory: null,
  } as const;
  it.each<[string, Evidence, boolean]>([
    ["an unknown error", { message: "The size of tensor a (81) must match the size of tensor b (80)" }, false],
    ["a host that did not answer", { message: "ConnectionError: Max retries exceeded" }, false],
    ["a file that is wrong", { outputProblem: "the picture is constant" }, false],
    ["a broken file, by the words of a render alone", { workerFailure: brokenFile }, false],
    ["a broken file, by this service's own check", { errorCode: "MODEL_FILE_CORRUPT" }, true],
    ["a full disk", { errorNumber: "ENOSPC" }, true],
    ["a lost card", { kernelLog: "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus." }, true],
  ])("%s: %s", (_, evidence, expected) => {
    expect(isConclusive(classify(evidence))).toBe(expected);
  });
});

it("nobody asks for a test render in a process that is lost with its context", () => {
  const poisoning = faultClassNames.filter((faultClass) => faultClasses[faultClass].contextPoisoned);
  expect(poisoning).toContain("multiGpu");
  for (const faultClass of poisoning)
    expect(isConclusive(faultOf(recognition(faultClass, 0.9, "told"), {})), faultClass).toBe(true);
});

describe("the differential", () => {
  const rows: readonly (readonly [string, Experiment, string])[] = [
    ["a test render passes, one job fails", { testRender: "passed", failedPhase: "unknown", jobCount: 1 }, "job"],
    [
      "a test render passes, two jobs fail alike",
      { testRender: "passed", failedPhase: "unknown", jobCount: 2 },
      "route",
    ],
    ["a test render fails", { testRender: "failed", failedPhase: "unknown", jobCount: 1 }, "route"],
    ["nothing answers", { testRender: "unknown", failedPhase: "unknown", jobCount: 1 }, "route"],
    ["the size does not fit", { testRender: "passed", failedPhase: "failed", jobCount: 1 }, "size"],
    ["two jobs of a size that does not fit", { testRender: "passed", failedPhase: "failed", jobCount: 2 }, "size"],
    ["the size fits after all", { testRender: "passed", failedPhase: "passed", jobCount: 1 }, "job"],
  ];
  it.each(rows)("%s", (_, experiment, blamed) => {
    expect(judgeBlame(experiment)).toBe(blamed);
  });
});
