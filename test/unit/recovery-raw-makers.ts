/** Builds evidence in the exact wording of PyTorch, the driver and others, for tests of the classifier. */
import type { Evidence, WorkerFailure } from "../../src/core/fault.ts";

/** A worker's report as the libraries make it. */
export const failure = (exceptionType: string, message: string, more: Partial<WorkerFailure> = {}): Evidence => ({
  workerFailure: {
    phase: "denoise",
    step: 3,
    exceptionType,
    message,
    causes: [],
    deviceUsable: null,
    memory: null,
    ...more,
  },
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

export const cudaTail =
  "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n";
export const cuda = (text: string, name: string): Evidence =>
  failure(
    "torch.AcceleratorError",
    `CUDA error: ${text}\nSearch for \`${name}' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more information.${cudaTail}`,
  );

const traceback = (last: string): string =>
  `loading T2V-A14B\nTraceback (most recent call last):\n  File "/srv/worker/__main__.py", line 88, in <module>\n    main()\n  File "/srv/worker/render.py", line 140, in render\n    video = pipe(**order)\n            ^^^^^^^^^^^^^\n${last}\n`;

export const hub401 = "401 Client Error. (Request ID: Root=1-688b505e-01cc67f573bc583469af8f8e;8c203dcc)\n\n";
export const comfyRefusal = (nodeType: string, type: string, input: string): string =>
  JSON.stringify({
    error: {
      type: "prompt_outputs_failed_validation",
      message: "Prompt outputs failed validation",
      details: "",
      extra_info: {},
    },
    node_errors: {
      "3": {
        errors: [
          {
            type,
            message: type,
            details: "details",
            extra_info: { input_name: input, received_value: "CUDA out of memory" },
          },
        ],
        dependent_outputs: ["9"],
        class_type: nodeType,
      },
    },
  });
export const exit = (logTail: string): Evidence => ({ exitCode: 1, logTail: traceback(logTail) });
export const xid = (number: number, rest: string): string =>
  `[ 8823.391022] NVRM: Xid (PCI:0000:65:00): ${number}, pid='<unknown>', name=<unknown>, ${rest}`;
