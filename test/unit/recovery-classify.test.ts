import { describe, expect, it } from "vitest";
import type { Evidence, WorkerFailure } from "../../src/core/fault.ts";
import { gibibyte, mebibyte } from "../../src/core/units.ts";
import { classify, recognise } from "../../src/recovery/classify.ts";
import type { FaultClass } from "../../src/recovery/fault-classes.ts";
import { parseOutOfMemory, shortageOf } from "../../src/recovery/out-of-memory-text.ts";

const failure = (exceptionType: string, message: string, more: Partial<WorkerFailure> = {}): Evidence => ({
  workerFailure: { phase: "denoise", step: 3, exceptionType, message, causes: [], deviceUsable: null, memory: null, ...more },
});

/** PyTorch's wordings, as thrown by 2.15 and by 1.x. */
const newText =
  "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 3.50 GiB is free. Including non-PyTorch memory, this process has 75.50 GiB memory in use. Of the allocated memory 70.00 GiB is allocated by PyTorch, and 1.20 GiB is reserved by PyTorch but unallocated.";
const oldText =
  "CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 23.65 GiB total capacty; 20.10 GiB already allocated; 100.00 MiB free; 22.00 GiB reserved in total by PyTorch)";
const neighbourText =
  "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 80.00 GiB of which 1.00 GiB is free. Process 4242 has 60.00 GiB memory in use. Of the allocated memory 10.00 GiB is allocated by PyTorch, and 100.00 MiB is reserved by PyTorch but unallocated.";

const rows: readonly (readonly [string, Evidence, FaultClass])[] = [
  ["a size that the model refuses", failure("ValueError", "`height` and `width` have to be divisible by 16 but are 854"), "request"],
  [
    "a damaged safetensors header",
    failure("safetensors_rust.SafetensorError", "Error while deserializing header: header too large"),
    "modelFile",
  ],
  ["a missing weight file", failure("OSError", "Error no file named diffusion_pytorch_model.bin found"), "modelFile"],
  ["a file of the wrong size", { message: "Consistency check failed: file should be of size 100 but has size 90" }, "modelFile"],
  [
    "a gated repository, which is also not found",
    failure("huggingface_hub.errors.GatedRepoError", "Cannot access gated repo for url https://h/x"),
    "authentication",
  ],
  ["a repository that does not exist", failure("huggingface_hub.errors.RepositoryNotFoundError", "404"), "notFound"],
  [
    "a gated repository wrapped by another error",
    failure("OSError", "x is not a local folder", { causes: ["huggingface_hub.errors.GatedRepoError: 403"] }),
    "authentication",
  ],
  ["memory that does not suffice", failure("torch.OutOfMemoryError", newText), "outOfMemory"],
  ["memory that is fragmented", failure("torch.cuda.OutOfMemoryError", oldText), "outOfMemoryFragmented"],
  ["memory that a neighbour holds", failure("torch.OutOfMemoryError", neighbourText), "outOfMemoryNeighbour"],
  [
    "address space that is exhausted",
    failure(
      "torch.OutOfMemoryError",
      "CUDA out of memory: virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM",
    ),
    "outOfVirtualSpace",
  ],
  [
    "an illegal memory access",
    failure("torch.AcceleratorError", "CUDA error: an illegal memory access was encountered"),
    "contextPoisoned",
  ],
  ["a device-side assert", failure("RuntimeError", "CUDA error: device-side assert triggered"), "contextPoisoned"],
  ["a device that does not allocate any more", failure("RuntimeError", "something new", { deviceUsable: false }), "contextPoisoned"],
  ["an uncorrectable ECC error", failure("RuntimeError", "CUDA error: uncorrectable ECC error encountered"), "gpuMemoryFault"],
  [
    "a card that is lost",
    { message: "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU" },
    "gpuLost",
  ],
  [
    "a card that is busy or unavailable",
    failure("RuntimeError", "CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
    "gpuResetRequired",
  ],
  ["a driver that does not match", { message: "Failed to initialize NVML: Driver/library version mismatch" }, "driver"],
  ["a missing driver", failure("RuntimeError", "Found no NVIDIA driver on your system. Please check"), "driver"],
  ["XID 79 in the log", { exitCode: 1, logTail: "NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus." }, "gpuLost"],
  [
    "XID 119 in the log",
    { exitCode: 1, logTail: "NVRM: Xid (PCI:0000:01:00): 119, Timeout waiting for RPC from GSP!" },
    "gpuResetRequired",
  ],
  ["XID 31 in the log", { exitCode: 1, logTail: "NVRM: Xid (PCI:0000:01:00): 31, MMU Fault" }, "contextPoisoned"],
  ["a SIGKILL while the kernel's counter rose", { exitSignal: "SIGKILL", oomKillCount: 1 }, "hostOomKiller"],
  ["a SIGKILL behind a shell while the counter rose", { exitCode: 137, oomKillCount: 2 }, "hostOomKiller"],
  ["a SIGKILL of unknown origin", { exitSignal: "SIGKILL" }, "crashBySignal"],
  [
    "host memory that cannot be allocated",
    failure("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    "hostAllocation",
  ],
  ["Python's MemoryError", failure("MemoryError", ""), "hostAllocation"],
  ["a full disk by number", { errorNumber: "ENOSPC" }, "diskFull"],
  ["a full disk by text", failure("OSError", "[Errno 28] No space left on device"), "diskFull"],
  ["a refused connection", { errorNumber: "ECONNREFUSED" }, "network"],
  ["a time-out while downloading", failure("httpx2.TimeoutException", "timed out"), "network"],
  [
    "a missing package",
    failure("RuntimeError", "backend 'sage' is not usable because of missing package sageattention"),
    "missingDependency",
  ],
  [
    "offloads that exclude each other",
    failure("ValueError", "You have components with group offloading enabled. This is not supported with x"),
    "offloadConflict",
  ],
  ["a segmentation fault", { exitSignal: "SIGSEGV" }, "crashBySignal"],
  ["a segmentation fault behind a shell", { exitCode: 139 }, "crashBySignal"],
  ["an uncaught exception", { exitCode: 1 }, "workerExit"],
  ["exit code 75", { exitCode: 75 }, "contextPoisoned"],
  ["exit code 78", { exitCode: 78 }, "workerConfiguration"],
  ["a dead worker whose log tells of memory", { exitCode: 1, logTail: `Traceback\ntorch.OutOfMemoryError: ${newText}` }, "outOfMemory"],
  ["NCCL", failure("RuntimeError", "NCCL error in: ../torch/csrc/x.cpp:1, unhandled cuda error"), "multiGpu"],
  ["silence", { silentForMs: 12_000 }, "silence"],
  ["silence of a process that hangs in the kernel", { silentForMs: 12_000, processState: "D" }, "gpuLost"],
  ["no progress", { stalledForMs: 90_000 }, "stall"],
  ["a black video", { outputProblem: "every frame is black" }, "badOutput"],
  ["text that nobody knows", failure("FooError", "the moon is full"), "unknown"],
  ["nothing at all", {}, "unknown"],
];

describe("classify", () => {
  it.each(rows)("recognises %s", (_, evidence, faultClass) => {
    expect(recognise(evidence).faultClass).toBe(faultClass);
  });
  it("keeps the raw evidence of what it does not know, and treats it as an error of the pipeline", () => {
    const evidence = failure("FooError", "the moon is full");
    expect(classify(evidence)).toMatchObject({ code: "WORKER_ERROR", confidence: 0, failureType: "generation_pipeline_error", evidence });
  });
  it("opens no incident for a request's own fault", () => {
    expect(classify(failure("ValueError", "Provide either `prompt` or `prompt_embeds`"))).toMatchObject({
      attribution: "request",
      failureType: null,
    });
  });
  it("calls a crash in the loading phase a loading failure", () => {
    expect(classify({ exitSignal: "SIGSEGV", phase: "load" }).failureType).toBe("model_loading_failure");
    expect(classify({ exitSignal: "SIGSEGV", phase: "denoise" }).failureType).toBe("generation_pipeline_error");
  });
  it("asks a person where only a person can help", () => {
    expect(classify(failure("GatedRepoError", "")).operatorAction).toContain("licence");
    expect(classify({ exitSignal: "SIGSEGV" }).operatorAction).toBeNull();
  });
  it("does not take an exit that this service caused for the kernel's doing", () => {
    expect(recognise({ exitSignal: "SIGKILL", isOwnSignal: true, oomKillCount: 1 }).faultClass).toBe("crashBySignal");
  });
});

describe("the numbers of an out-of-memory message", () => {
  it("are read from the present wording", () => {
    expect(parseOutOfMemory(newText)).toEqual({
      wantedBytes: 20 * gibibyte,
      totalBytes: Math.round(79.1 * gibibyte),
      freeBytes: 3.5 * gibibyte,
      ownBytes: 75.5 * gibibyte,
      allocatedBytes: 70 * gibibyte,
      reservedUnallocatedBytes: Math.round(1.2 * gibibyte),
      otherProcessesBytes: 0,
    });
  });
  it("are read from the older wording, misspelt or not", () => {
    expect(parseOutOfMemory(oldText)).toMatchObject({
      wantedBytes: 512 * mebibyte,
      totalBytes: Math.round(23.65 * gibibyte),
      freeBytes: 100 * mebibyte,
      ownBytes: 22 * gibibyte,
    });
    expect(parseOutOfMemory(oldText)?.reservedUnallocatedBytes).toBeCloseTo(1.9 * gibibyte, -3);
    expect(parseOutOfMemory(oldText.replace("capacty", "capacity"))).toEqual(parseOutOfMemory(oldText));
  });
  it("are absent in other texts, and null where the text does not say them", () => {
    expect(parseOutOfMemory("the moon is full")).toBeNull();
    expect(parseOutOfMemory("CUDA out of memory")).toMatchObject({ wantedBytes: null, totalBytes: null });
  });
  it("never blame a neighbour that holds less than what is missing", () => {
    const text = neighbourText.replace("Tried to allocate 2.00 GiB", "Tried to allocate 70.00 GiB");
    const numbers = parseOutOfMemory(text);
    expect(numbers === null ? null : shortageOf(numbers)).toBe("outOfMemory");
  });
});
