import type { FaultClass } from "./fault-classes.ts";

/** One way to recognise a class. All strings are exact fragments; case matters. */
export interface FaultSignature {
  readonly faultClass: FaultClass;
  /** Names of exception types; the last part of a dotted name is enough. */
  readonly types?: readonly string[];
  /** Fragments of messages. */
  readonly texts?: readonly string[];
  /** How sure a match makes. 0..1 */
  readonly confidence: number;
}

/**
 * In order of precedence: a more specific row stands before a wider one (a gated repository is also "not found").
 * Sources of the strings: libc10_cuda, libtorch_cuda and libcudart of torch 2.15.0; safetensors 0.8.0; huggingface_hub
 * 2.4.0; diffusers 0.40; ComfyUI 0.3.64; NVML's error texts; the kernel's and NVIDIA's log lines.
 */
export const faultSignatures: readonly FaultSignature[] = [
  {
    faultClass: "request",
    texts: [
      "`height` and `width` have to be divisible by 16",
      "Provide either `prompt`",
      "`guidance_scale_2` is only supported",
      "prompt_outputs_failed_validation",
      "required_input_missing",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "gpuLost",
    texts: [
      "GPU is lost",
      "GPU has fallen off the bus",
      "fallen off the bus and is not responding to commands",
      "Unable to determine the device handle for GPU",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "gpuResetRequired",
    texts: [
      "GPU requires restart/reset",
      "GPU requires reset",
      "CUDA-capable device(s) is/are busy or unavailable",
      "cudaErrorDevicesUnavailable",
    ],
    confidence: 0.9,
  },
  {
    faultClass: "gpuMemoryFault",
    texts: [
      "uncorrectable ECC error encountered",
      "cudaErrorECCUncorrectable",
      "cudaErrorContained",
      "uncorrectable NVLink error",
      "Invalid access of peer GPU memory over nvlink or a hardware error",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "driver",
    texts: [
      "Found no NVIDIA driver on your system",
      "CUDA driver version is insufficient for CUDA runtime version",
      "no CUDA-capable device is detected",
      "forward compatibility was attempted on non supported HW",
      "system not yet initialized",
      "RM has detected an NVML/RM version mismatch",
      "Driver/library version mismatch",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "contextPoisoned",
    texts: [
      "CUDA error: an illegal memory access was encountered",
      "CUDA error: device-side assert triggered",
      "CUDA error: unspecified launch failure",
      "CUDA error: misaligned address",
      "CUDA error: an illegal instruction was encountered",
      "CUDA error: invalid program counter",
      "CUDA error: hardware stack error",
      "CUDA error: the launch timed out and was terminated",
      "cudaErrorIllegalAddress",
      "cudaErrorAssert",
      "cudaErrorLaunchFailure",
      "cudaErrorMisalignedAddress",
      "cudaErrorIllegalInstruction",
      "cudaErrorLaunchTimeout",
      "CUBLAS_STATUS_EXECUTION_FAILED",
      "CUBLAS_STATUS_INTERNAL_ERROR",
      "CUBLAS_STATUS_NOT_INITIALIZED",
      "CUDNN_STATUS_EXECUTION_FAILED",
    ],
    confidence: 0.95,
  },
  { faultClass: "multiGpu", texts: ["NCCL error in: ", "NCCL Error "], confidence: 0.9 },
  {
    faultClass: "outOfVirtualSpace",
    texts: ["virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM"],
    confidence: 0.95,
  },
  {
    faultClass: "hostAllocation",
    types: ["MemoryError"],
    texts: ["DefaultCPUAllocator: can't allocate memory: you tried to allocate"],
    confidence: 0.9,
  },
  {
    faultClass: "outOfMemory",
    types: ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"],
    texts: [
      "CUDA out of memory",
      "CUDA error: out of memory",
      "cudaErrorMemoryAllocation",
      "CUBLAS_STATUS_ALLOC_FAILED",
      "CUDNN_STATUS_ALLOC_FAILED",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "diskFull",
    texts: ["No space left on device", "no space left on device", "ENOSPC", "Remounting filesystem read-only"],
    confidence: 0.95,
  },
  {
    faultClass: "hostOomKiller",
    texts: ["invoked oom-killer:", "oom-kill:constraint=", "killed as a result of limit of"],
    confidence: 0.9,
  },
  {
    faultClass: "modelFile",
    types: ["SafetensorError"],
    texts: [
      "Error while deserializing header:",
      "PytorchStreamReader failed",
      "file in archive is not in a subdirectory",
      "Error no file named",
      "Consistency check failed: file should be of size",
      "value_not_in_list",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "authentication",
    types: ["GatedRepoError", "DisabledRepoError"],
    texts: ["Cannot access gated repo for url", "Invalid credentials in Authorization header", "Access to this resource is disabled."],
    confidence: 0.95,
  },
  {
    faultClass: "notFound",
    types: ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"],
    texts: ["RepoNotFound", "RevisionNotFound", "EntryNotFound"],
    confidence: 0.9,
  },
  {
    faultClass: "network",
    types: ["TimeoutException", "NetworkError", "RemoteProtocolError", "LocalEntryNotFoundError", "ConnectTimeout", "ReadTimeout"],
    texts: ["429 Too Many Requests", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN"],
    confidence: 0.85,
  },
  {
    faultClass: "missingDependency",
    types: ["ImportError", "ModuleNotFoundError"],
    texts: ["is not usable because of missing package", "requires accelerator, but not found"],
    confidence: 0.9,
  },
  {
    faultClass: "offloadConflict",
    texts: ["components with group offloading enabled. This is not supported", "activated a device mapping strategy"],
    confidence: 0.9,
  },
];

/** Error numbers of system calls, as Node names them. */
export const errorNumberClasses: Readonly<Record<string, FaultClass>> = {
  ENOSPC: "diskFull",
  EDQUOT: "diskFull",
  EROFS: "diskFull",
  ENOMEM: "hostAllocation",
  ECONNREFUSED: "network",
  ECONNRESET: "network",
  ETIMEDOUT: "network",
  EAI_AGAIN: "network",
  ENOTFOUND: "network",
  EHOSTUNREACH: "network",
};

/** Exit codes that a worker chooses (its protocol), then those by which a shell reports a signal. */
export const exitCodeClasses: Readonly<Record<number, FaultClass>> = {
  75: "contextPoisoned",
  78: "workerConfiguration",
  132: "crashBySignal",
  134: "crashBySignal",
  135: "crashBySignal",
  137: "crashBySignal",
  139: "crashBySignal",
};

/**
 * NVIDIA's XID numbers by the first action that helps (its catalogue of October 2025). Numbers that only accompany
 * another one are absent: they say nothing by themselves.
 */
export const xidClasses: readonly { readonly faultClass: FaultClass; readonly numbers: readonly number[] }[] = [
  { faultClass: "gpuLost", numbers: [79, 151] },
  { faultClass: "gpuResetRequired", numbers: [46, 48, 62, 64, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158] },
  { faultClass: "gpuMemoryFault", numbers: [94] },
  { faultClass: "multiGpu", numbers: [74, 144, 145, 146, 147, 148, 149, 150] },
  { faultClass: "contextPoisoned", numbers: [8, 11, 13, 25, 31, 32, 43, 45, 60, 68, 69, 80] },
];
