/**
 * Evidence of faults of card, host, network and worker, as libraries, kernel and tools really word it, with the class
 * that each must get.
 */
import type { Evidence } from "../../src/core/fault.ts";
import type { FaultClass } from "../../src/core/words.ts";
import { cuda, cudaTail, exit, failure, xid } from "./recovery-raw-makers.ts";

/** Card, host, network and worker: what is seen, its class, and the evidence as libraries, kernel and tools really write it. */
export const machineTexts: readonly (readonly [string, FaultClass, Evidence])[] = [
  [
    "an illegal memory access",
    "contextPoisoned",
    cuda("an illegal memory access was encountered", "cudaErrorIllegalAddress"),
  ],
  ["a device-side assert", "contextPoisoned", cuda("device-side assert triggered", "cudaErrorAssert")],
  ["a launch failure", "contextPoisoned", cuda("unspecified launch failure", "cudaErrorLaunchFailure")],
  ["a misaligned address", "contextPoisoned", cuda("misaligned address", "cudaErrorMisalignedAddress")],
  [
    "an illegal instruction of the card",
    "contextPoisoned",
    cuda("an illegal instruction was encountered", "cudaErrorIllegalInstruction"),
  ],
  [
    "a launch that took too long",
    "contextPoisoned",
    cuda("the launch timed out and was terminated", "cudaErrorLaunchTimeout"),
  ],
  [
    "cuBLAS that fails to execute",
    "contextPoisoned",
    failure(
      "RuntimeError",
      "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`",
    ),
  ],
  [
    "cuDNN that fails to execute",
    "contextPoisoned",
    failure("RuntimeError", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
  ],
  [
    "an abort of C++ that names the cause",
    "contextPoisoned",
    {
      exitSignal: "SIGABRT",
      logTail: `step 3\nterminate called after throwing an instance of 'c10::AcceleratorError'\n  what():  CUDA error: an illegal memory access was encountered${cudaTail}`,
    },
  ],
  [
    "a device that does not answer any more",
    "contextPoisoned",
    failure("RuntimeError", "something new", { deviceUsable: false }),
  ],
  ["exit code 75", "contextPoisoned", { exitCode: 75 }],
  [
    "a page fault of the process (XID 31)",
    "contextPoisoned",
    {
      exitSignal: "SIGABRT",
      kernelLog: xid(
        31,
        "Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_3 faulted @ 0x7f32_6e000000.",
      ),
    },
  ],
  [
    "an uncorrectable ECC error",
    "gpuMemoryFault",
    cuda("uncorrectable ECC error encountered", "cudaErrorECCUncorrectable"),
  ],
  [
    "an uncorrectable link error",
    "gpuMemoryFault",
    cuda("uncorrectable NVLink error detected during the execution", "cudaErrorNvlinkUncorrectable"),
  ],
  [
    "a contained error (XID 94)",
    "gpuMemoryFault",
    { exitCode: 1, kernelLog: xid(94, "Contained: SM (0x1). RST: No, D-RST: No") },
  ],
  [
    "a remapped row (XID 63)",
    "gpuMemoryFault",
    { kernelLog: xid(63, "Row Remapper: New row (0x0000000001ba2201) marked for remapping, reset gpu to activate.") },
  ],
  [
    "a card that is lost, by nvidia-smi",
    "gpuLost",
    {
      message:
        "Unable to determine the device handle for GPU0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU",
    },
  ],
  [
    "a card without a handle, by nvidia-smi",
    "gpuLost",
    { message: "Unable to determine the device handle for GPU 0000:65:00.0: Unknown Error" },
  ],
  ["a card that is lost, by NVML", "gpuLost", failure("pynvml.NVMLError_GpuIsLost", "GPU is lost")],
  ["a card that is lost, by an exit code", "gpuLost", { gpu: { smiExitCode: 15 } }],
  ["a card that is no longer listed", "gpuLost", { gpu: { missingDeviceCount: 1 } }],
  [
    "a card that fell off the bus (XID 79)",
    "gpuLost",
    { exitCode: 1, kernelLog: xid(79, "GPU has fallen off the bus.") },
  ],
  [
    "a card that fell off the bus, without an XID",
    "gpuLost",
    {
      kernelLog:
        "Nov 24 01:06:39 host kernel: [ 8823.391022] NVRM: The NVIDIA GPU 0000:65:00.0 (PCI ID: 10de:2330) fallen off the bus and is not responding to commands.",
    },
  ],
  ["a process that hangs in the kernel", "gpuLost", { silentForMs: 12_000, processState: "D" }],
  ["a driver that asks for a reboot", "gpuLost", { gpu: { recoveryAction: "Node Reboot" } }],
  [
    "a card that is busy or unavailable",
    "gpuResetRequired",
    cuda("CUDA-capable device(s) is/are busy or unavailable", "cudaErrorDevicesUnavailable"),
  ],
  ["a card that asks NVML for a reset", "gpuResetRequired", { gpu: { nvmlCode: 16 } }],
  ["a driver that asks for a reset", "gpuResetRequired", { gpu: { recoveryAction: "GPU Reset" } }],
  [
    "a driver that asks for a reset (XID 154)",
    "gpuResetRequired",
    { kernelLog: xid(154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)") },
  ],
  [
    "a silent system processor (XID 119)",
    "gpuResetRequired",
    {
      exitSignal: "SIGKILL",
      kernelLog: xid(
        119,
        "Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL).",
      ),
    },
  ],
  [
    "a double-bit error (XID 48)",
    "gpuResetRequired",
    { exitCode: 1, kernelLog: xid(48, "DBE (double bit error) ECC Error") },
  ],
  ["a power cable that is off", "gpuHardware", { gpu: { smiExitCode: 8 } }],
  ["auxiliary power that is off (XID 54)", "gpuHardware", { kernelLog: xid(54, "Auxiliary power is not connected.") }],
  [
    "a missing driver",
    "driver",
    failure(
      "RuntimeError",
      "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
      { phase: "load" },
    ),
  ],
  [
    "a driver that is too old",
    "driver",
    cuda("CUDA driver version is insufficient for CUDA runtime version", "cudaErrorInsufficientDriver"),
  ],
  [
    "a fabric manager that does not run",
    "driver",
    failure(
      "RuntimeError",
      "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized",
    ),
  ],
  [
    "a driver of another version",
    "driver",
    { message: "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.90" },
  ],
  [
    "a driver of another version, by pynvml",
    "driver",
    failure("pynvml.NVMLError_LibRmVersionMismatch", "RM has detected an NVML/RM version mismatch."),
  ],
  ["a driver that is not loaded", "driver", { gpu: { smiExitCode: 9 } }],
  ["a SIGKILL while the kernel's counter rose", "hostOomKiller", { exitSignal: "SIGKILL", oomKillCount: 1 }],
  ["a SIGKILL behind a shell while the counter rose", "hostOomKiller", { exitCode: 137, oomKillCount: 2 }],
  [
    "a SIGKILL that the kernel's log explains",
    "hostOomKiller",
    {
      exitSignal: "SIGKILL",
      kernelLog:
        "[ 1234.567890] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,task=python3,pid=4242,uid=0\n[ 1234.567999] Memory cgroup out of memory: Killed process 4242 (python3) total-vm:90000000kB",
    },
  ],
  ["a SIGKILL in a host that was full", "hostOomKiller", { exitSignal: "SIGKILL", hostMemoryUseRatio: 0.98 }],
  [
    "host memory that cannot be allocated",
    "hostAllocation",
    failure(
      "RuntimeError",
      "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes. Error code 12 (Cannot allocate memory)",
    ),
  ],
  ["Python's MemoryError", "hostAllocation", exit("MemoryError")],
  ["host memory by number", "hostAllocation", { errorNumber: "ENOMEM" }],
  ["a full disk by number", "diskFull", { errorNumber: "ENOSPC" }],
  ["a full disk by text", "diskFull", failure("OSError", "[Errno 28] No space left on device: '/srv/out/a.mp4'")],
  [
    "a full disk while weights are written",
    "diskFull",
    failure(
      "safetensors_rust.SafetensorError",
      "Error while serializing: I/O error: No space left on device (os error 28)",
    ),
  ],
  [
    "a file system that became read-only",
    "diskFull",
    { kernelLog: "[ 99.100000] EXT4-fs (sda1): Remounting filesystem read-only" },
  ],
  ["a refused connection", "network", { errorNumber: "ECONNREFUSED" }],
  ["a name that is not resolved", "network", { message: "getaddrinfo EAI_AGAIN huggingface.co" }],
  ["a time-out while downloading", "network", failure("httpx2.ConnectTimeout", "timed out", { phase: "load" })],
  [
    "files that are neither near nor reachable",
    "network",
    failure(
      "huggingface_hub.errors.LocalEntryNotFoundError",
      "An error happened while trying to locate the file on the Hub and we cannot find the requested files in the local cache.",
    ),
  ],
  ["a hub that has had enough", "network", { http: { from: "hub", status: 429 } }],
  [
    "a hub that is overloaded",
    "network",
    failure("httpx.HTTPStatusError", "Server error '503 Service Unavailable' for url 'https://h/x'"),
  ],
  [
    "a missing package",
    "missingDependency",
    failure(
      "RuntimeError",
      "Sage Attention backend 'sage' is not usable because of missing package or the version is too old. Please install `sageattention>=2.1.1`.",
    ),
  ],
  ["a missing module", "missingDependency", failure("ModuleNotFoundError", "No module named 'sageattention'")],
  [
    "an offload without a card",
    "missingDependency",
    failure("RuntimeError", "`enable_model_cpu_offload` requires accelerator, but not found"),
  ],
  [
    "offloads that exclude each other",
    "offloadConflict",
    failure(
      "ValueError",
      "You are trying to apply model/sequential CPU offloading to a pipeline that contains components with group offloading enabled. This is not supported. Please disable group offloading for components of the pipeline to use other offloading methods.",
    ),
  ],
  [
    "an offload beside a device map",
    "offloadConflict",
    failure(
      "ValueError",
      "It seems like you have activated a device mapping strategy on the pipeline so calling `enable_model_cpu_offload() isn't allowed.",
    ),
  ],
  ["an action that did not take", "actionNotApplied", { failedAction: "apply_vram_optimization" }],
  ["a worker that renders on the processor", "onProcessor", { isOnProcessor: true }],
  ["exit code 78", "workerConfiguration", { exitCode: 78 }],
  [
    "a worker that speaks another version",
    "protocolMismatch",
    { errorCode: "WORKER_PROTOCOL_MISMATCH", message: "the worker speaks version 2, this service version 1" },
  ],
  [
    "NCCL",
    "multiGpu",
    failure(
      "torch.distributed.DistBackendError",
      "NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1275, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL version 2.21.5",
    ),
  ],
  [
    "a link between cards (XID 74)",
    "multiGpu",
    { exitCode: 1, kernelLog: xid(74, "NVLink: fatal error detected on link 2(0x10000, 0x0, 0x0, 0x0)") },
  ],
  ["a segmentation fault", "crashBySignal", { exitSignal: "SIGSEGV" }],
  ["a segmentation fault behind a shell", "crashBySignal", { exitCode: 139 }],
  ["a SIGKILL of unknown origin", "crashBySignal", { exitSignal: "SIGKILL" }],
  ["an uncaught exception", "workerExit", { exitCode: 1 }],
  [
    "a worker's socket on which nobody listens",
    "workerExit",
    { message: "connect ECONNREFUSED /run/understudy/w0.sock" },
  ],
  ["a worker that this service stopped", "ownStop", { exitSignal: "SIGTERM", isOwnSignal: true }],
  ["silence", "silence", { silentForMs: 12_000 }],
  ["silence that this service ended", "silence", { silentForMs: 12_000, exitSignal: "SIGKILL", isOwnSignal: true }],
  ["no progress", "stall", { stalledForMs: 90_000, mainThreadIdleMs: 80_000 }],
  [
    "a task that the kernel found blocked",
    "stall",
    { kernelLog: "[ 4321.000000] INFO: task python3:4242 blocked for more than 120 seconds." },
  ],
  ["a black video", "badOutput", { outputProblem: "every frame is black" }],
  ["a card that slows down", "thermal", { gpu: { throttleMask: 0x40 } }],
  ["text that nobody knows", "unknown", failure("FooError", "the moon is full")],
  ["nothing at all", "unknown", {}],
];
