/**
 * Short strings by which faults are known, each with its class. Tests show every one of them to the classifier alone,
 * because real messages wrap them differently.
 */
import type { FaultClass } from "../../src/core/words.ts";

/**
 * Each string is shown to the classifier bare, as a message begins with it, and in the kernel's log where the kernel
 * writes it.
 */
export const listedStrings: readonly (readonly [FaultClass, readonly string[]])[] = [
  [
    "request",
    [
      "`height` and `width` have to be divisible by 16",
      "Provide either `prompt`",
      "`guidance_scale_2` is only supported",
      "prompt_outputs_failed_validation",
      "value_smaller_than_min",
      "value_bigger_than_max",
      "required_input_missing",
    ],
  ],
  [
    "modelFile",
    [
      "Error while deserializing header: incomplete metadata, file not fully covered",
      "Error while deserializing header: invalid header length",
      "Error while deserializing header: header too small",
      "Error while deserializing header: header too large",
      "Error while deserializing header: invalid JSON in header",
      "PytorchStreamReader failed",
      "file in archive is not in a subdirectory",
      "Error no file named",
      "Unable to load weights from checkpoint file for",
      "You seem to have cloned a repository without having git-lfs installed",
      "value_not_in_list",
      "Consistency check failed: file should be of size",
    ],
  ],
  [
    "outOfMemory",
    [
      "CUDA out of memory. Tried to allocate X GiB.",
      "CUDA error: out of memory",
      "cudaErrorMemoryAllocation",
      "CUBLAS_STATUS_ALLOC_FAILED",
      "CUDNN_STATUS_ALLOC_FAILED",
    ],
  ],
  ["outOfVirtualSpace", ["virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM"]],
  [
    "contextPoisoned",
    [
      "CUDA error: an illegal memory access was encountered",
      "CUDA error: device-side assert triggered",
      "CUDA error: unspecified launch failure",
      "CUDA error: misaligned address",
      "CUDA error: an illegal instruction was encountered",
      "CUDA error: invalid program counter",
      "CUDA error: hardware stack error",
      "CUDA error: the launch timed out and was terminated",
      "CUBLAS_STATUS_EXECUTION_FAILED",
      "CUBLAS_STATUS_INTERNAL_ERROR",
      "CUBLAS_STATUS_NOT_INITIALIZED",
      "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    ],
  ],
  [
    "gpuMemoryFault",
    [
      "uncorrectable ECC error encountered",
      "cudaErrorECCUncorrectable",
      "cudaErrorContained",
      "uncorrectable NVLink error",
      "Invalid access of peer GPU memory over nvlink or a hardware error",
    ],
  ],
  [
    "gpuLost",
    [
      "GPU is lost",
      "Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost. Reboot the system to recover this GPU",
      "Unable to determine the device handle for GPU 0000:65:00.0: Unknown Error",
      "GPU has fallen off the bus",
      "fallen off the bus and is not responding to commands",
    ],
  ],
  [
    "gpuResetRequired",
    [
      "GPU requires restart",
      "GPU requires reset",
      "cudaErrorDevicesUnavailable",
      "CUDA-capable device(s) is/are busy or unavailable",
    ],
  ],
  [
    "driver",
    [
      "Found no NVIDIA driver on your system",
      "CUDA driver version is insufficient for CUDA runtime version",
      "no CUDA-capable device is detected",
      "forward compatibility was attempted on non supported HW",
      "system not yet initialized",
      "RM has detected an NVML/RM version mismatch",
      "Driver/library version mismatch",
    ],
  ],
  ["hostAllocation", ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"]],
  [
    "diskFull",
    [
      "[Errno 28] No space left on device",
      "No space left on device",
      "no space left on device",
      "Not enough free disk space to download the file",
      "ENOSPC: no space left on device, write",
    ],
  ],
  [
    "network",
    [
      "429 Too Many Requests",
      "ECONNREFUSED",
      "ECONNRESET",
      "ETIMEDOUT",
      "EAI_AGAIN",
      "408 Client Error",
      "500 Server Error",
      "502 Server Error",
      "503 Server Error",
      "504 Server Error",
    ],
  ],
  ["offlineMode", ["OfflineModeIsEnabled"]],
  [
    "authentication",
    [
      "Cannot access gated repo for url",
      "Invalid credentials in Authorization header",
      "403 Forbidden: no",
      "Access to this resource is disabled.",
    ],
  ],
  ["notFound", ["RepoNotFound", "RevisionNotFound", "EntryNotFound"]],
  [
    "missingDependency",
    [
      "backend 'sage' is not usable because of missing package",
      "`enable_model_cpu_offload` requires accelerator, but not found",
    ],
  ],
  [
    "offloadConflict",
    ["components with group offloading enabled. This is not supported", "activated a device mapping strategy"],
  ],
  ["multiGpu", ["NCCL error in: x.cpp:1", "NCCL Error 1: unhandled cuda error"]],
];

/** Types of exceptions that are known by themselves: the message says nothing. */
export const listedTypes: readonly (readonly [FaultClass, readonly string[]])[] = [
  ["modelFile", ["safetensors_rust.SafetensorError"]],
  ["outOfMemory", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"]],
  ["hostAllocation", ["MemoryError"]],
  [
    "network",
    ["httpx2.TimeoutException", "httpx2.NetworkError", "httpx2.RemoteProtocolError", "LocalEntryNotFoundError"],
  ],
  ["offlineMode", ["OfflineModeIsEnabled"]],
  ["authentication", ["GatedRepoError", "DisabledRepoError"]],
  ["notFound", ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"]],
  ["missingDependency", ["ImportError", "ModuleNotFoundError"]],
];

/** Lines of the kernel's log that are known by themselves. */
export const listedKernelLines: readonly (readonly [FaultClass, string])[] = [
  ["hostOomKiller", "[ 1.000000] python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=500"],
  ["hostOomKiller", "[ 1.000000] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=python3,pid=4242,uid=0"],
  ["hostOomKiller", "[ 1.000000] Out of memory: Killed process 4242 (python3) total-vm:90000000kB"],
  ["hostOomKiller", "[ 1.000000] Task in /docker/abc killed as a result of limit of /docker/abc"],
  ["diskFull", "[ 1.000000] EXT4-fs (sda1): Remounting filesystem read-only"],
  ["multiGpu", "[ 1.000000] python3[4242]: segfault at 8 ip 00007f error 4 in libnccl.so.2.21.5[7f0000000000+1000]"],
  ["crashBySignal", "[ 1.000000] python3[4242]: segfault at 8 ip 00007f error 4 in libtorch.so[7f0000000000+1000]"],
  ["stall", "[ 1.000000] INFO: task python3:4242 blocked for more than 120 seconds."],
  ["gpuLost", "[ 1.000000] NVRM: GPU 0000:65:00.0: GPU has fallen off the bus."],
  ["gpuLost", "[ 1.000000] NVRM: The NVIDIA GPU 0000:65:00.0 fallen off the bus and is not responding to commands."],
];
