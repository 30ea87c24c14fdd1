import type { Evidence, WorkerFailure } from "../../src/core/fault.ts";
import type { FaultClass } from "../../src/recovery/fault-classes.ts";

/** A worker's report as the libraries make it. */
export const failure = (exceptionType: string, message: string, more: Partial<WorkerFailure> = {}): Evidence => ({
  workerFailure: { phase: "denoise", step: 3, exceptionType, message, causes: [], deviceUsable: null, memory: null, ...more },
});

const advice =
  " If reserved but unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for Memory Management  (https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-cuda-alloc-conf)";

/** Out-of-memory messages, whole, in each of PyTorch's wordings. */
export const memoryTexts = {
  present: `CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 3.50 GiB is free. Including non-PyTorch memory, this process has 75.50 GiB memory in use. Of the allocated memory 70.00 GiB is allocated by PyTorch, and 1.20 GiB is reserved by PyTorch but unallocated.${advice}`,
  privatePools: `CUDA out of memory. Tried to allocate 48.00 MiB. GPU 0 has a total capacity of 39.38 GiB of which 27.38 MiB is free. Including non-PyTorch memory, this process has 39.35 GiB memory in use. Of the allocated memory 36.43 GiB is allocated by PyTorch, with 1.12 GiB allocated in private pools (e.g., CUDA Graphs), and 20.41 MiB is reserved by PyTorch but unallocated.${advice}`,
  fragmented: `CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 63.43 GiB of which 412.00 MiB is free. Including non-PyTorch memory, this process has 55.05 GiB memory in use. Of the allocated memory 16.54 GiB is allocated by PyTorch, and 37.94 GiB is reserved by PyTorch but unallocated.${advice}`,
  neighbour: `CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 80.00 GiB of which 1.00 GiB is free. Process 4242 has 60.00 GiB memory in use. Process 4310 has 11.20 GiB memory in use. Of the allocated memory 10.00 GiB is allocated by PyTorch, and 100.00 MiB is reserved by PyTorch but unallocated.${advice}`,
  /** Inside a container the driver's pids are the host's: PyTorch does not know itself among them. */
  container: `CUDA out of memory. Tried to allocate 204.00 MiB. GPU 0 has a total capacity of 47.53 GiB of which 94.88 MiB is free. Process 1381433 has 47.43 GiB memory in use. Of the allocated memory 47.03 GiB is allocated by PyTorch, and 83.38 MiB is reserved by PyTorch but unallocated.${advice}`,
  overflow: `CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.65 GiB of which 0 bytes is free. Including non-PyTorch memory, this process has 17179869184.00 GiB memory in use. Of the allocated memory 22.10 GiB is allocated by PyTorch, and 512 bytes is reserved by PyTorch but unallocated.${advice}`,
  older:
    "CUDA out of memory. Tried to allocate 512.00 MiB (GPU 0; 23.65 GiB total capacty; 20.10 GiB already allocated; 100.00 MiB free; 22.00 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb to avoid fragmentation.  See documentation for Memory Management and PYTORCH_CUDA_ALLOC_CONF",
  asynchronous:
    "Allocation on device 0 would exceed allowed memory. (out of memory)\nCurrently allocated     : 9.43 GiB\nRequested               : 640.00 MiB\nDevice limit            : 11.59 GiB\nFree (according to CUDA): 7.12 MiB\nPyTorch limit (set by user-supplied memory fraction)\n                        : 17179869184.00 GiB",
  rocm: `HIP out of memory. Tried to allocate 704.00 GiB. GPU 0 has a total capacity of 191.69 GiB of which 186.02 GiB is free. Of the allocated memory 4.89 GiB is allocated by PyTorch, and 2.25 MiB is reserved by PyTorch but unallocated.${advice}`,
  addressSpace:
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 80.00 GiB of which 60.00 GiB is free. This is virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM.",
} as const;

const cudaTail =
  "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n";
const cuda = (text: string, name: string): Evidence =>
  failure(
    "torch.AcceleratorError",
    `CUDA error: ${text}\nSearch for \`${name}' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more information.${cudaTail}`,
  );

const traceback = (last: string): string =>
  `loading T2V-A14B\nTraceback (most recent call last):\n  File "/srv/worker/__main__.py", line 88, in <module>\n    main()\n  File "/srv/worker/render.py", line 140, in render\n    video = pipe(**order)\n            ^^^^^^^^^^^^^\n${last}\n`;

const hub401 = "401 Client Error. (Request ID: Root=1-688b505e-01cc67f573bc583469af8f8e;8c203dcc)\n\n";
const comfyRefusal = (nodeType: string, type: string, input: string): string =>
  JSON.stringify({
    error: { type: "prompt_outputs_failed_validation", message: "Prompt outputs failed validation", details: "", extra_info: {} },
    node_errors: {
      "3": {
        errors: [{ type, message: type, details: "details", extra_info: { input_name: input, received_value: "CUDA out of memory" } }],
        dependent_outputs: ["9"],
        class_type: nodeType,
      },
    },
  });
const exit = (logTail: string): Evidence => ({ exitCode: 1, logTail: traceback(logTail) });
const xid = (number: number, rest: string): string =>
  `[ 8823.391022] NVRM: Xid (PCI:0000:65:00): ${number}, pid='<unknown>', name=<unknown>, ${rest}`;

/** What is seen, its class, and the evidence as the libraries, the kernel and the tools really write it. */
export const rawTexts: readonly (readonly [string, FaultClass, Evidence])[] = [
  [
    "a size that the model refuses",
    "request",
    failure("ValueError", "`height` and `width` have to be divisible by 16 but are 850 and 480."),
  ],
  [
    "no prompt",
    "request",
    failure("ValueError", "Provide either `prompt` or `prompt_embeds`. Cannot leave both `prompt` and `prompt_embeds` undefined."),
  ],
  [
    "a guidance that the model lacks",
    "request",
    failure("ValueError", "`guidance_scale_2` is only supported when the pipeline's `boundary_ratio` is not None."),
  ],
  [
    "two prompts, one of them naughty",
    "request",
    failure(
      "ValueError",
      "Cannot forward both `prompt`: CUDA out of memory and `prompt_embeds`: tensor([]). Please make sure to only forward one of the two.",
    ),
  ],
  [
    "a value below ComfyUI's bounds",
    "request",
    { http: { from: "worker", status: 400, body: comfyRefusal("KSampler", "value_smaller_than_min", "steps") } },
  ],
  ["a missing input of ComfyUI", "request", failure("ComfyRefused", comfyRefusal("VAEDecode", "required_input_missing", "samples"))],
  [
    "a choice that a sampler lacks",
    "request",
    { http: { from: "worker", status: 400, body: comfyRefusal("KSampler", "value_not_in_list", "sampler_name") } },
  ],
  [
    "an unknown node",
    "request",
    {
      http: {
        from: "worker",
        status: 400,
        body: '{"error":{"type":"invalid_prompt","message":"Cannot execute because node X does not exist.","details":"Node ID \'#3\'","extra_info":{}},"node_errors":{}}',
      },
    },
  ],
  [
    "a model file that ComfyUI does not list",
    "modelFile",
    { http: { from: "worker", status: 400, body: comfyRefusal("UNETLoader", "value_not_in_list", "unet_name") } },
  ],
  [
    "a pointer saved as weights",
    "modelFile",
    failure("safetensors_rust.SafetensorError", "Error while deserializing header: header too large", { phase: "load" }),
  ],
  [
    "a truncated file",
    "modelFile",
    failure("safetensors_rust.SafetensorError", "Error while deserializing header: incomplete metadata, file not fully covered", {
      phase: "load",
    }),
  ],
  [
    "a file of zeros",
    "modelFile",
    exit(
      "safetensors_rust.SafetensorError: Error while deserializing header: invalid JSON in header: EOF while parsing a value at line 1 column 0",
    ),
  ],
  [
    "a broken archive",
    "modelFile",
    failure("RuntimeError", "PytorchStreamReader failed reading zip archive: failed finding central directory", { phase: "load" }),
  ],
  [
    "an archive without its folder",
    "modelFile",
    failure("RuntimeError", "[enforce fail at inline_container.cc:257] . file in archive is not in a subdirectory: data.pkl", {
      phase: "load",
    }),
  ],
  [
    "a missing weight file",
    "modelFile",
    failure("OSError", "Error no file named diffusion_pytorch_model.bin found in directory /srv/models/wan.", { phase: "load" }),
  ],
  [
    "a file of the wrong size",
    "modelFile",
    failure(
      "OSError",
      "Consistency check failed: file should be of size 9999998976 but has size 132 (diffusion_pytorch_model-00001.safetensors).",
      { phase: "load" },
    ),
  ],
  [
    "a gated repository",
    "authentication",
    failure(
      "huggingface_hub.errors.GatedRepoError",
      `${hub401}Cannot access gated repo for url https://huggingface.co/x/y/resolve/main/config.json.\nAccess to model x/y is restricted.`,
    ),
  ],
  [
    "a gated repository wrapped by diffusers",
    "authentication",
    failure("OSError", "There was a specific connection error when trying to load x/y", {
      causes: [
        `huggingface_hub.errors.GatedRepoError: ${hub401}Cannot access gated repo for url https://h/x`,
        "httpx.HTTPStatusError: Client error '403 Forbidden' for url 'https://h/x'",
      ],
    }),
  ],
  [
    "a gated repository told as text",
    "authentication",
    { message: `${hub401}Cannot access gated repo for url https://huggingface.co/x/y/resolve/main/config.json.` },
  ],
  [
    "a token that is no good",
    "authentication",
    { http: { from: "hub", status: 401, errorMessage: "Invalid credentials in Authorization header" } },
  ],
  [
    "a forbidden repository",
    "authentication",
    failure("huggingface_hub.errors.HfHubHTTPError", "403 Forbidden: You need a fine-grained token."),
  ],
  ["a disabled repository", "authentication", failure("huggingface_hub.errors.DisabledRepoError", "Access to this resource is disabled.")],
  [
    "a repository that does not exist",
    "notFound",
    failure("huggingface_hub.errors.RepositoryNotFoundError", `${hub401}Repository Not Found for url: https://h/x.`),
  ],
  ["a revision that does not exist", "notFound", { http: { from: "hub", status: 404, errorCode: "RevisionNotFound" } }],
  [
    "a file that does not exist",
    "notFound",
    failure("OSError", "x does not appear to have a file", { causes: ["RemoteEntryNotFoundError('404 Client Error.')"] }),
  ],
  [
    "a hub that is switched off",
    "offlineMode",
    failure(
      "huggingface_hub.errors.OfflineModeIsEnabled",
      "Cannot reach https://h/x: offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE` environment variable.",
    ),
  ],
  ["memory that does not suffice", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.present)],
  ["memory that the own process holds in a container", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.container)],
  ["memory by the asynchronous allocator", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.asynchronous)],
  ["memory on ROCm", "outOfMemory", failure("torch.OutOfMemoryError", memoryTexts.rocm)],
  ["memory, as the runtime says it", "outOfMemory", cuda("out of memory", "cudaErrorMemoryAllocation")],
  [
    "memory, as cuBLAS says it",
    "outOfMemory",
    failure("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
  ],
  [
    "memory, as ComfyUI reports it",
    "outOfMemory",
    failure(
      "torch.cuda.OutOfMemoryError",
      "Allocation on device \nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have accidentally set the batch_size to a large number.",
    ),
  ],
  ["memory, in the log of a dead worker", "outOfMemory", exit(`torch.OutOfMemoryError: ${memoryTexts.present}`)],
  ["memory that is fragmented", "outOfMemoryFragmented", failure("torch.OutOfMemoryError", memoryTexts.fragmented)],
  ["memory that is fragmented, in the older wording", "outOfMemoryFragmented", failure("torch.cuda.OutOfMemoryError", memoryTexts.older)],
  ["memory that a neighbour holds", "outOfMemoryNeighbour", failure("torch.OutOfMemoryError", memoryTexts.neighbour)],
  ["address space that is exhausted", "outOfVirtualSpace", failure("torch.OutOfMemoryError", memoryTexts.addressSpace)],
  ["an illegal memory access", "contextPoisoned", cuda("an illegal memory access was encountered", "cudaErrorIllegalAddress")],
  ["a device-side assert", "contextPoisoned", cuda("device-side assert triggered", "cudaErrorAssert")],
  ["a launch failure", "contextPoisoned", cuda("unspecified launch failure", "cudaErrorLaunchFailure")],
  ["a misaligned address", "contextPoisoned", cuda("misaligned address", "cudaErrorMisalignedAddress")],
  ["an illegal instruction of the card", "contextPoisoned", cuda("an illegal instruction was encountered", "cudaErrorIllegalInstruction")],
  ["a launch that took too long", "contextPoisoned", cuda("the launch timed out and was terminated", "cudaErrorLaunchTimeout")],
  [
    "cuBLAS that fails to execute",
    "contextPoisoned",
    failure("RuntimeError", "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`"),
  ],
  ["cuDNN that fails to execute", "contextPoisoned", failure("RuntimeError", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")],
  [
    "an abort of C++ that names the cause",
    "contextPoisoned",
    {
      exitSignal: "SIGABRT",
      logTail: `step 3\nterminate called after throwing an instance of 'c10::AcceleratorError'\n  what():  CUDA error: an illegal memory access was encountered${cudaTail}`,
    },
  ],
  ["a device that does not answer any more", "contextPoisoned", failure("RuntimeError", "something new", { deviceUsable: false })],
  ["exit code 75", "contextPoisoned", { exitCode: 75 }],
  [
    "a page fault of the process (XID 31)",
    "contextPoisoned",
    {
      exitSignal: "SIGABRT",
      kernelLog: xid(31, "Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_3 faulted @ 0x7f32_6e000000."),
    },
  ],
  ["an uncorrectable ECC error", "gpuMemoryFault", cuda("uncorrectable ECC error encountered", "cudaErrorECCUncorrectable")],
  [
    "an uncorrectable link error",
    "gpuMemoryFault",
    cuda("uncorrectable NVLink error detected during the execution", "cudaErrorNvlinkUncorrectable"),
  ],
  ["a contained error (XID 94)", "gpuMemoryFault", { exitCode: 1, kernelLog: xid(94, "Contained: SM (0x1). RST: No, D-RST: No") }],
  [
    "a remapped row (XID 63)",
    "gpuMemoryFault",
    { kernelLog: xid(63, "Row Remapper: New row (0x0000000001ba2201) marked for remapping, reset gpu to activate.") },
  ],
  [
    "a card that is lost, by nvidia-smi",
    "gpuLost",
    { message: "Unable to determine the device handle for GPU0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU" },
  ],
  [
    "a card without a handle, by nvidia-smi",
    "gpuLost",
    { message: "Unable to determine the device handle for GPU 0000:65:00.0: Unknown Error" },
  ],
  ["a card that is lost, by NVML", "gpuLost", failure("pynvml.NVMLError_GpuIsLost", "GPU is lost")],
  ["a card that is lost, by an exit code", "gpuLost", { gpu: { smiExitCode: 15 } }],
  ["a card that is no longer listed", "gpuLost", { gpu: { missingDeviceCount: 1 } }],
  ["a card that fell off the bus (XID 79)", "gpuLost", { exitCode: 1, kernelLog: xid(79, "GPU has fallen off the bus.") }],
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
      kernelLog: xid(119, "Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL)."),
    },
  ],
  ["a double-bit error (XID 48)", "gpuResetRequired", { exitCode: 1, kernelLog: xid(48, "DBE (double bit error) ECC Error") }],
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
    failure("safetensors_rust.SafetensorError", "Error while serializing: I/O error: No space left on device (os error 28)"),
  ],
  ["a file system that became read-only", "diskFull", { kernelLog: "[ 99.100000] EXT4-fs (sda1): Remounting filesystem read-only" }],
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
  ["a hub that is overloaded", "network", failure("httpx.HTTPStatusError", "Server error '503 Service Unavailable' for url 'https://h/x'")],
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
  ["a worker's socket on which nobody listens", "workerExit", { message: "connect ECONNREFUSED /run/understudy/w0.sock" }],
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

/** Strings of worker-facts §4 that a message of the class begins with, bare, and where the kernel writes them, in its log. */
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
    ["GPU requires restart", "GPU requires reset", "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"],
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
    ["backend 'sage' is not usable because of missing package", "`enable_model_cpu_offload` requires accelerator, but not found"],
  ],
  ["offloadConflict", ["components with group offloading enabled. This is not supported", "activated a device mapping strategy"]],
  ["multiGpu", ["NCCL error in: x.cpp:1", "NCCL Error 1: unhandled cuda error"]],
];

/** Types of §4, alone: the message says nothing. */
export const listedTypes: readonly (readonly [FaultClass, readonly string[]])[] = [
  ["modelFile", ["safetensors_rust.SafetensorError"]],
  ["outOfMemory", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"]],
  ["hostAllocation", ["MemoryError"]],
  ["network", ["httpx2.TimeoutException", "httpx2.NetworkError", "httpx2.RemoteProtocolError", "LocalEntryNotFoundError"]],
  ["offlineMode", ["OfflineModeIsEnabled"]],
  ["authentication", ["GatedRepoError", "DisabledRepoError"]],
  ["notFound", ["RepositoryNotFoundError", "RevisionNotFoundError", "RemoteEntryNotFoundError"]],
  ["missingDependency", ["ImportError", "ModuleNotFoundError"]],
];

/** Lines of the kernel in §4. */
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
