import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { methods } from "../../src/contract/worker-protocol.ts";
import type { Evidence } from "../../src/core/fault.ts";
import type { FaultClass } from "../../src/core/words.ts";
import { classify, classifyThrown, recognise } from "../../src/recovery/classify.ts";
import { connectionEnded } from "../../src/workers/rpc-errors.ts";
import { listedKernelLines, listedStrings } from "./recovery-listed-strings.ts";
import { failure, memoryTexts } from "./recovery-raw-makers.ts";

const xid = (number: number): string =>
  `[ 1.000000] NVRM: Xid (PCI:0000:65:00): ${number}, pid=4242, name=python3, text`;
const log = (...lines: readonly string[]): string => `${lines.join("\n")}\n`;
const frames = ["Traceback (most recent call last):", '  File "/srv/worker.py", line 1, in <module>', "    main()"];

describe("text that merely contains a word", () => {
  it.each([
    ["a prompt about memory", failure("ValueError", "the memory of the prompt is short")],
    [
      "a prompt that quotes an error",
      failure("ValueError", 'the tokenizer refused "CUDA out of memory. Tried to allocate 2.00 GiB"'),
    ],
    ["a prompt that tells an error", failure("ValueError", "the user typed CUDA out of memory in the prompt")],
    [
      "a prompt behind a colon",
      failure("RuntimeError", "prompt: CUDA error: an illegal memory access was encountered"),
    ],
    [
      "a prompt on a line of its own",
      failure("RuntimeError", "bad prompt:\nCUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    [
      "a prompt among the causes",
      failure("RuntimeError", "no", { causes: ["prompt: GPU is lost", "KeyError: 'No space left on device'"] }),
    ],
    ["a path with a word", failure("KeyError", "/srv/timeout/ECONNRESET/no space left on device.mp4")],
    ["a file named like an error", { message: "cannot read /models/Error no file named x" }],
    ["a type that only sounds like one", failure("mine.NotAMemoryErrorAtAll", "")],
    ["another module's type", failure("mine.cuda.OutOfMemoryErrors", "")],
    ["a kernel's line that a worker quotes", failure("RuntimeError", xid(79))],
    ["a kernel's line on a worker's screen", { message: `the log says\n${xid(79)}` }],
    [
      "a kernel's line that quotes another",
      { kernelLog: `[ 1.000000] audit: comm="NVRM: Xid (PCI:0000:65:00): 79, x"` },
    ],
    ["a number that is no exit code of a signal", { message: "137" }],
  ] as const)("stays unknown: %s", (_, evidence) => {
    expect(classify(evidence)).toMatchObject({ code: "WORKER_ERROR", confidence: 0, evidence });
  });
  it("is no evidence in any place but the beginning of a message, whatever stands before it", () => {
    const told = listedStrings.flatMap(([, texts]) => texts);
    const before = fc.constantFrom(
      "prompt: ",
      "a film about ",
      'Cannot parse "',
      "line 1\n",
      "key=",
      "/srv/",
      "> ",
      "- ",
    );
    fc.assert(
      fc.property(before, fc.constantFrom(...told), (head, text) => {
        expect(recognise({ message: `${head}${text}` }).faultClass).toBe("unknown");
        expect(recognise(failure("ValueError", `${head}${text}`)).faultClass).toBe("unknown");
      }),
    );
  });
  it("in a log is no exception, unless a traceback ends with it", () => {
    const told = listedStrings.flatMap(([, texts]) => texts);
    const kernel = listedKernelLines.map(([, line]) => line);
    fc.assert(
      fc.property(fc.constantFrom(...told, ...kernel, xid(79)), (text) => {
        expect(recognise({ exitCode: 1, logTail: log("start", text, `rendering ${text}`) }).faultClass).toBe(
          "workerExit",
        );
        expect(recognise({ exitCode: 1, logTail: log(...frames, "FooError: the moon", text) }).faultClass).toBe(
          "workerExit",
        );
      }),
    );
  });
});

describe("a worker's refusal", () => {
  it.each(Object.keys(methods))("of %s is read behind the name of the method", (method) => {
    expect(recognise({ message: `${method}: CUDA out of memory` }).faultClass).toBe("outOfMemory");
    expect(recognise({ message: `${method} prompt: CUDA out of memory` }).faultClass).toBe("unknown");
  });
  it("on a connection that ended is the worker's end", () => {
    const ended = connectionEnded(new Error("read ECONNRESET"));
    expect(classifyThrown(ended, { phase: "denoise" })).toMatchObject({
      code: "WORKER_EXITED",
      failureType: "generation_pipeline_error",
    });
    expect(classifyThrown(ended, { phase: "load" }).failureType).toBe("model_loading_failure");
  });
});

describe("when pieces of evidence disagree", () => {
  const rows: readonly (readonly [string, FaultClass, Evidence])[] = [
    ["SIGKILL while the counter rose is the kernel's", "hostOomKiller", { exitSignal: "SIGKILL", oomKillCount: 1 }],
    [
      "SIGKILL that this service sent is its own, though the counter rose",
      "ownStop",
      { exitSignal: "SIGKILL", isOwnSignal: true, oomKillCount: 1 },
    ],
    [
      "SIGKILL while the counter was read and did not rise is somebody's",
      "crashBySignal",
      { exitSignal: "SIGKILL", oomKillCount: 0, hostMemoryUseRatio: 0.99 },
    ],
    ["SIGKILL in a host with room is somebody's", "crashBySignal", { exitSignal: "SIGKILL", hostMemoryUseRatio: 0.5 }],
    [
      "the kernel kills by SIGKILL only",
      "crashBySignal",
      { exitSignal: "SIGSEGV", oomKillCount: 1, kernelLog: "[ 1.000000] Out of memory: Killed process 7 (chrome)" },
    ],
    ["a full host ends nobody by an exit code", "workerExit", { exitCode: 1, hostMemoryUseRatio: 0.99 }],
    [
      "the kernel ended another process while this one was silent",
      "silence",
      { silentForMs: 11_000, kernelLog: "[ 1.000000] Out of memory: Killed process 7 (chrome)" },
    ],
    [
      "silence that was ended by this service is silence",
      "silence",
      { silentForMs: 11_000, exitSignal: "SIGTERM", isOwnSignal: true },
    ],
    [
      "a stall that was ended by this service is a stall",
      "stall",
      { stalledForMs: 90_000, exitSignal: "SIGKILL", isOwnSignal: true },
    ],
    ["a process that crashed did not fall silent", "crashBySignal", { silentForMs: 11_000, exitSignal: "SIGSEGV" }],
    [
      "a device that fails afterwards outweighs a harmless text",
      "contextPoisoned",
      failure("ValueError", "Provide either `prompt` or `prompt_embeds`.", { deviceUsable: false }),
    ],
    [
      "a device that fails afterwards outweighs a want of memory",
      "contextPoisoned",
      failure("torch.OutOfMemoryError", memoryTexts.present, { deviceUsable: false }),
    ],
    [
      "a lost card explains a device that fails afterwards",
      "gpuLost",
      failure("RuntimeError", "GPU is lost", { deviceUsable: false }),
    ],
    [
      "a card off the bus outweighs what the worker saw of it",
      "gpuLost",
      { ...failure("RuntimeError", "CUDA error: unspecified launch failure"), kernelLog: xid(79) },
    ],
    [
      "a card off the bus outweighs the signal",
      "gpuLost",
      { exitSignal: "SIGKILL", isOwnSignal: true, kernelLog: xid(79) },
    ],
    [
      "the driver's own verdict outweighs the worker's text",
      "gpuResetRequired",
      { ...failure("RuntimeError", "CUDA error: unspecified launch failure"), gpu: { recoveryAction: "GPU Reset" } },
    ],
    [
      "a channel that was cleaned up follows from the kill",
      "hostOomKiller",
      { exitSignal: "SIGKILL", oomKillCount: 1, kernelLog: xid(45) },
    ],
    [
      "a channel that was cleaned up follows from the own kill",
      "ownStop",
      { exitSignal: "SIGKILL", isOwnSignal: true, kernelLog: xid(45) },
    ],
    ["a channel that was reset explains a crash", "contextPoisoned", { exitSignal: "SIGSEGV", kernelLog: xid(43) }],
    [
      "the heavier of two XIDs counts, whatever their order",
      "gpuLost",
      { kernelLog: log(xid(31), xid(45), xid(79), xid(13)) },
    ],
    ["an XID that only accompanies says nothing", "crashBySignal", { exitSignal: "SIGSEGV", kernelLog: xid(37) }],
    [
      "the driver's verdict in XID 154 that nothing is needed says nothing",
      "crashBySignal",
      {
        exitSignal: "SIGSEGV",
        kernelLog:
          "NVRM: Xid (PCI:0000:65:00): 154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)",
      },
    ],
    [
      "the worker's code outweighs its log",
      "contextPoisoned",
      { exitCode: 75, logTail: log(...frames, "OSError: [Errno 28] No space left on device") },
    ],
    ["the worker's report outweighs how it ended", "modelFile", { ...failure("SafetensorError", "x"), exitCode: 1 }],
    [
      "a report that nobody knows leaves the word to the exit",
      "contextPoisoned",
      { ...failure("FooError", "the moon"), exitCode: 75 },
    ],
    [
      "an old error in the log does not explain a segmentation fault",
      "crashBySignal",
      { exitSignal: "SIGSEGV", logTail: log(...frames, "torch.OutOfMemoryError: CUDA out of memory.") },
    ],
    [
      "an old error in the log does not explain a kill",
      "crashBySignal",
      { exitSignal: "SIGKILL", logTail: log(...frames, "torch.OutOfMemoryError: CUDA out of memory.") },
    ],
    [
      "the last traceback counts",
      "diskFull",
      {
        exitCode: 1,
        logTail: log(
          ...frames,
          "torch.OutOfMemoryError: CUDA out of memory.",
          "went on",
          ...frames,
          "OSError: [Errno 28] No space left on device",
        ),
      },
    ],
    [
      "an unknown last traceback is not explained by an older one",
      "workerExit",
      {
        exitCode: 1,
        logTail: log(
          ...frames,
          "torch.OutOfMemoryError: CUDA out of memory.",
          "went on",
          ...frames,
          "FooError: the moon",
        ),
      },
    ],
    [
      "the causes of the last traceback count",
      "authentication",
      {
        exitCode: 1,
        logTail: log(
          ...frames,
          "huggingface_hub.errors.GatedRepoError: 403 Client Error.",
          "",
          "The above exception was the direct cause of the following exception:",
          "",
          ...frames,
          "OSError: x is not a local folder",
        ),
      },
    ],
    [
      "an output that does not play outweighs a worker that is content",
      "badOutput",
      { outputProblem: "0 frames", exitCode: 0 },
    ],
    [
      "damaged memory explains a damaged output",
      "gpuResetRequired",
      { outputProblem: "every frame is black", kernelLog: xid(95) },
    ],
    [
      "this program's own code outweighs a text",
      "workerExit",
      { errorCode: "WORKER_EXITED", message: "read ECONNRESET" },
    ],
    [
      "a code that says nothing leaves the word to the text",
      "network",
      { errorCode: "WORKER_ERROR", message: "read ECONNRESET" },
    ],
    [
      "a slow card explains nothing that has another reason",
      "stall",
      { stalledForMs: 90_000, gpu: { throttleMask: 0x40 } },
    ],
  ];
  it.each(rows)("%s (%s)", (_, faultClass, evidence) => {
    expect(recognise(evidence).faultClass).toBe(faultClass);
  });
  it("says with less certainty that a context is lost while the device answers", () => {
    const text = "CUDA error: device-side assert triggered";
    const sure = recognise(failure("RuntimeError", text));
    expect(recognise(failure("RuntimeError", text, { deviceUsable: true }))).toEqual({
      ...sure,
      confidence: sure.confidence * 0.7,
    });
  });
  it("tells what the main thread did, and that a process was stopped", () => {
    expect(recognise({ silentForMs: 11_000, processState: "T" }).decidedBy).toContain("stopped");
    expect(recognise({ stalledForMs: 90_000, mainThreadIdleMs: 80_000 }).decidedBy).toContain(
      "main thread did nothing for 80000 ms",
    );
    expect(recognise({ stalledForMs: 90_000, mainThreadIdleMs: 20 }).decidedBy).not.toContain("main thread");
  });
});

describe("every evidence", () => {
  const words = fc.constantFrom("CUDA out of memory", "SIGKILL", "D", "ENOSPC", "GPU Reset", xid(79), "(", "…", "");
  const text = fc.oneof(fc.string(), words);
  const evidences = fc.record(
    {
      exitCode: fc.integer({ min: 0, max: 255 }),
      exitSignal: fc.constantFrom("SIGKILL", "SIGSEGV", "SIGTERM", "SIGABRT"),
      isOwnSignal: fc.boolean(),
      silentForMs: fc.nat(),
      stalledForMs: fc.nat(),
      processState: text,
      logTail: text,
      kernelLog: text,
      oomKillCount: fc.nat(3),
      hostMemoryUseRatio: fc.double({ min: 0, max: 1, noNaN: true }),
      outputProblem: text,
      errorNumber: text,
      message: text,
      gpu: fc.record({ smiExitCode: fc.nat(20), nvmlCode: fc.nat(20), recoveryAction: text }, { requiredKeys: [] }),
      http: fc.record({
        from: fc.constantFrom("hub" as const, "worker" as const),
        status: fc.integer({ min: 100, max: 599 }),
        body: text,
      }),
      workerFailure: fc.record({
        phase: fc.constantFrom("denoise" as const, "load" as const),
        step: fc.constant(null),
        exceptionType: text,
        message: text,
        causes: fc.array(text, { maxLength: 3 }),
        deviceUsable: fc.constantFrom(true, false, null),
        memory: fc.constant(null),
      }),
    },
    { requiredKeys: [] },
  );
  it.each(["toString", "constructor", "__proto__"])(
    "is unknown where its words are names that every object has: %s",
    (word) => {
      for (const evidence of [
        { errorNumber: word },
        { errorCode: word as never },
        { http: { from: "hub", status: 418, errorCode: word } },
      ])
        expect(classify(evidence as Evidence).faultClass).toBe("unknown");
    },
  );

  it("becomes one fault that keeps it", () => {
    fc.assert(
      fc.property(evidences, (evidence) => {
        const fault = classify(evidence as Evidence);
        expect(fault.evidence).toBe(evidence);
        expect(fault.confidence >= 0 && fault.confidence <= 1).toBe(true);
        expect(fault.decidedBy).toEqual(expect.any(String));
        expect(classify(evidence as Evidence)).toEqual(fault);
      }),
    );
  });
});
