/**
 * Texts and type names by which a thrown error is recognised, each taken from the library that throws it. A row
 * without a source would be a guess, and a guess chooses the wrong ladder.
 */
import type { FaultClass } from "../core/words.ts";

/** One way to recognise a class by what was thrown. */
export interface FaultSignature {
  readonly faultClass: FaultClass;
  /** Names of exception types; an undotted name also stands for the last part of a dotted one. */
  readonly types?: readonly string[];
  /**
   * How a message of this class begins, case and all; `…` stands for anything. A fragment in the middle of a message proves
   * nothing: that is where libraries quote paths, prompts and other people's errors.
   */
  readonly texts?: readonly string[];
  /** How sure a match makes. 0..1 */
  readonly confidence: number;
}

/**
 * In order of precedence: a specific row stands before a wider one (a gated repository is also "not found"; a header that
 * cannot be written because the disk is full is no damaged file).
 * Sources: [T] strings of libc10_cuda, libtorch_cuda and libcudart of torch 2.15.0; [S] safetensors 0.8.0; [H] huggingface_hub
 * 2.4.0; [D] diffusers 0.40; [C] ComfyUI 0.3.64; [P] pynvml; [I] issue threads; [L] nvidia-smi; [N] Node 24; [E] strerror(3).
 */
export const faultSignatures: readonly FaultSignature[] = [
  {
    faultClass: "loraUnsupported",
    types: ["LoraUnsupported"], // the Python worker's own
    texts: [],
    confidence: 0.95,
  },
  {
    faultClass: "request",
    types: ["RequestError"], // the Python worker's own: asking again does not help
    texts: [
      "`height` and `width` have to be divisible by 16", // [D] check_inputs, also all down to Cannot forward
      "Provide either `prompt`",
      "Provide either `image`",
      "`prompt` has to be of type",
      "`negative_prompt` has to be of type",
      "`image` has to be of type",
      "`negative_prompt` should be the same type to `prompt`",
      "`guidance_scale_2` is only supported",
      "Cannot forward both `",
      "required_input_missing", // [C] types of node errors
      "value_smaller_than_min",
      "value_bigger_than_max",
      "prompt_outputs_failed_validation",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "gpuLost",
    types: ["NVMLError_GpuIsLost"], // [P] NVML 15
    texts: [
      "GPU is lost", // [P]
      "Unable to determine the device handle for GPU…: GPU is lost", // [I] nvidia-smi
      "Unable to determine the device handle for GPU…: Unknown Error",
      "GPU has fallen off the bus", // kernel
      "fallen off the bus and is not responding to commands",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "gpuResetRequired",
    types: ["NVMLError_ResetRequired"], // [P] NVML 16
    texts: [
      "GPU requires restart",
      "GPU requires reset",
      "CUDA error: CUDA-capable device(s) is/are busy or unavailable", // [T] also when another process holds it exclusively
      "CUDA-capable device(s) is/are busy or unavailable",
      "cudaErrorDevicesUnavailable",
    ],
    confidence: 0.9,
  },
  {
    faultClass: "gpuMemoryFault",
    texts: [
      "CUDA error: uncorrectable ECC error encountered", // [T]
      "uncorrectable ECC error encountered",
      "CUDA error: uncorrectable NVLink error",
      "uncorrectable NVLink error",
      "CUDA error: Invalid access of peer GPU memory over nvlink or a hardware error",
      "Invalid access of peer GPU memory over nvlink or a hardware error",
      "cudaErrorECCUncorrectable",
      "cudaErrorContained",
      "cudaErrorNvlinkUncorrectable",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "driver",
    types: ["NVMLError_DriverNotLoaded", "NVMLError_LibRmVersionMismatch", "NVMLError_LibraryNotFound"], // [P] 9, 18, 12
    texts: [
      "Found no NVIDIA driver on your system", // [T]
      "The NVIDIA driver on your system is too old",
      "CUDA error: CUDA driver version is insufficient for CUDA runtime version",
      "CUDA driver version is insufficient for CUDA runtime version",
      "CUDA error: no CUDA-capable device is detected",
      "no CUDA-capable device is detected",
      "No CUDA GPUs are available",
      "CUDA error: forward compatibility was attempted on non supported HW",
      "forward compatibility was attempted on non supported HW",
      "Unexpected error from cudaGetDeviceCount()…Error 804: forward compatibility was attempted on non supported HW",
      "CUDA error: system not yet initialized", // the fabric manager does not run
      "system not yet initialized",
      "Unexpected error from cudaGetDeviceCount()…Error 802: system not yet initialized",
      "RM has detected an NVML/RM version mismatch", // [P]
      "Failed to initialize NVML: Driver/library version mismatch", // [L]
      "Driver/library version mismatch",
      "Failed to initialize NVML: Driver Not Loaded",
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "contextPoisoned",
    texts: [
      "CUDA error: an illegal memory access was encountered", // [T] 700
      "CUDA error: device-side assert triggered", // 710
      "CUDA error: unspecified launch failure", // 719
      "CUDA error: misaligned address", // 716
      "CUDA error: an illegal instruction was encountered", // 715
      "CUDA error: invalid program counter", // 718
      "CUDA error: hardware stack error", // 714
      "CUDA error: the launch timed out and was terminated", // 702
      "cudaErrorIllegalAddress",
      "cudaErrorAssert",
      "cudaErrorLaunchFailure",
      "cudaErrorMisalignedAddress",
      "cudaErrorIllegalInstruction",
      "cudaErrorInvalidPc",
      "cudaErrorHardwareStackError",
      "cudaErrorLaunchTimeout",
    ],
    confidence: 0.95,
  },
  {
    // Often the second error after one of those above, now and then a plain want of memory.
    faultClass: "contextPoisoned",
    texts: [
      "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED", // [T]
      "CUBLAS_STATUS_EXECUTION_FAILED",
      "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR",
      "CUBLAS_STATUS_INTERNAL_ERROR",
      "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED",
      "CUBLAS_STATUS_NOT_INITIALIZED",
      "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
      "CUDNN_STATUS_EXECUTION_FAILED",
    ],
    confidence: 0.8,
  },
  { faultClass: "multiGpu", types: ["DistBackendError"], texts: ["NCCL error in: ", "NCCL Error "], confidence: 0.9 }, // [T]
  {
    faultClass: "outOfVirtualSpace",
    texts: [
      "CUDA out of memory…virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM", // [T]
      "virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "hostAllocation",
    types: ["MemoryError"],
    texts: [
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate", // [T]
      "[enforce fail at…DefaultCPUAllocator: can't allocate memory: you tried to allocate",
      "DefaultCPUAllocator: not enough memory: you tried to allocate", // [I] the same on Windows
      "[enforce fail at…DefaultCPUAllocator: not enough memory: you tried to allocate",
      "[Errno 12] Cannot allocate memory", // [E]
      "ENOMEM: ", // [N]
    ],
    confidence: 0.9,
  },
  {
    faultClass: "diskFull",
    texts: [
      "[Errno 28] No space left on device", // [E]
      "[Errno 122] Disk quota exceeded",
      "[Errno 30] Read-only file system",
      "No space left on device",
      "no space left on device", // [T]
      "[enforce fail at…no space left on device",
      "Error while serializing: I/O error: No space left on device", // [S]
      "ENOSPC: ", // [N]
      "EROFS: ",
      "Not enough free disk space to download the file", // [H] a warning; the write fails later
    ],
    confidence: 0.9,
  },
  {
    faultClass: "outOfMemory",
    types: ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "OutOfMemoryError"],
    texts: [
      "CUDA out of memory", // [T]
      "HIP out of memory", // [I] the same on ROCm
      "Allocation on device", // [T] the asynchronous allocator's wording, ComfyUI's default
      "CUDA error: out of memory",
      "cudaErrorMemoryAllocation",
      "CUDA error: CUBLAS_STATUS_ALLOC_FAILED",
      "CUBLAS_STATUS_ALLOC_FAILED",
      "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
      "CUDNN_STATUS_ALLOC_FAILED",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "modelFile",
    types: ["SafetensorError", "ModelFilesError"],
    texts: [
      "Error while deserializing header:", // [S]
      "PytorchStreamReader failed", // [T]
      "file in archive is not in a subdirectory",
      "[enforce fail at…file in archive is not in a subdirectory",
      "Error no file named", // [D]
      "Unable to load weights from checkpoint file for", // [D] its wrapping of what safetensors refuses
      "You seem to have cloned a repository without having git-lfs installed", // [D] a pointer in place of the weights
      "value_not_in_list", // [C] the file is absent from the folder's listing
      "Consistency check failed: file should be of size", // [H]
    ],
    confidence: 0.95,
  },
  {
    faultClass: "offlineMode",
    types: ["OfflineModeIsEnabled"], // [H]
    texts: ["OfflineModeIsEnabled", "Cannot reach…: offline mode is enabled"],
    confidence: 0.95,
  },
  {
    faultClass: "authentication",
    types: ["GatedRepoError", "DisabledRepoError"], // [H] subclasses of RepositoryNotFoundError: they come first
    texts: [
      "Cannot access gated repo for url",
      "401 Client Error…Cannot access gated repo for url",
      "403 Client Error…Cannot access gated repo for url",
      "You are trying to access a gated repo",
      "Invalid credentials in Authorization header",
      "401 Client Error…Invalid credentials in Authorization header",
      "403 Forbidden: ",
      "Access to this resource is disabled.",
    ],
    confidence: 0.95,
  },
  {
    faultClass: "notFound",
    types: ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"], // [H]
    texts: ["RepoNotFound", "RevisionNotFound", "EntryNotFound", "404 Client Error", "Client error '404"],
    confidence: 0.9,
  },
  { faultClass: "workerExit", texts: ["connect ECONNREFUSED /"], confidence: 0.8 }, // [N] a socket's path: nobody listens any more
  {
    faultClass: "network",
    types: [
      ...[
        "TimeoutException",
        "ConnectTimeout",
        "ReadTimeout",
        "WriteTimeout",
        "PoolTimeout",
        "NetworkError",
        "RemoteProtocolError",
      ], // [H] httpx
      ...[
        "httpx.ConnectError",
        "httpx.ReadError",
        "httpx.WriteError",
        "httpx2.ConnectError",
        "httpx2.ReadError",
        "httpx2.WriteError",
      ],
      ...["LocalEntryNotFoundError", "requests.exceptions.ConnectionError", "socket.gaierror"],
    ],
    texts: [
      "429 Too Many Requests", // [H], and what httpx says of a status
      ...[
        "408 Client Error",
        "429 Client Error",
        "500 Server Error",
        "502 Server Error",
        "503 Server Error",
        "504 Server Error",
      ],
      ...["Client error '408", "Client error '429", "Server error '50"],
      ...["connect ECONNREFUSED", "read ECONNRESET", "write ECONNRESET", "connect ETIMEDOUT", "read ETIMEDOUT"], // [N]
      ...["connect EHOSTUNREACH", "connect ENETUNREACH", "getaddrinfo EAI_AGAIN", "getaddrinfo ENOTFOUND"],
      ...["ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN"],
      ...[
        "[Errno -3] Temporary failure in name resolution",
        "[Errno 110] Connection timed out",
        "[Errno 113] No route to host",
      ], // [E]
    ],
    confidence: 0.85,
  },
  {
    faultClass: "offloadConflict",
    texts: [
      "You are trying to apply model/sequential CPU offloading to a pipeline that contains components with group offloading enabled", // [D]
      "It seems like you have activated a device mapping strategy",
      "components with group offloading enabled. This is not supported",
      "activated a device mapping strategy",
    ],
    confidence: 0.9,
  },
  {
    faultClass: "badOutput",
    types: ["BadOutputError"], // the Python worker's own look at what it rendered
    confidence: 0.95,
  },
  {
    faultClass: "missingDependency",
    types: ["ImportError", "ModuleNotFoundError"],
    texts: [
      ...[
        "Flash Attention",
        "Flash Attention 3",
        "Sage Attention",
        "Flex Attention",
        "Xformers Attention",
        "NPU Attention",
      ].map(
        (name) => `${name} backend '…' is not usable because of missing package`, // [D]
      ),
      "backend '…' is not usable because of missing package",
      "`…` requires accelerator, but not found", // [D] run without a card
    ],
    confidence: 0.9,
  },
];
