/**
 * What torch, diffusers, safetensors, the hub's client and the driver say when something breaks, by the name under which the
 * cards `raise:NAME` and `refuse-load:NAME` play it. Sources: torch 2.15, diffusers 0.40, safetensors 0.8, huggingface_hub 2.4.
 */
import { SimulatedFailure } from "./failures.ts";

interface LibraryError {
  readonly type: string;
  readonly message: string;
  /** The device's context is gone with this error, so the worker ends after its report. */
  readonly losesContext?: boolean;
}

const poisoning = (message: string): LibraryError => ({ type: "torch.AcceleratorError", message, losesContext: true });

const errors = {
  /** What a request that nothing refuses, and that no render can serve, ends with; no judge knows its words. */
  "tensor-size": {
    type: "RuntimeError",
    message: "The size of tensor a (81) must match the size of tensor b (80) at non-singleton dimension 2",
  },
  request: { type: "ValueError", message: "`height` and `width` have to be divisible by 16 but are 60 and 112." },
  "model-file": {
    type: "safetensors_rust.SafetensorError",
    message: "Error while deserializing header: incomplete metadata, file not fully covered",
  },
  "oom-virtual-space": {
    type: "torch.OutOfMemoryError",
    message: "virtual-address-space (VSZ) exhaustion from expandable segments, not physical GPU OOM",
  },
  "memory-fault": poisoning("CUDA error: uncorrectable ECC error encountered"),
  "gpu-lost": {
    type: "RuntimeError",
    message:
      "Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost. Reboot the system to recover this GPU",
    losesContext: true,
  },
  "reset-required": poisoning("CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
  driver: {
    type: "RuntimeError",
    message: "CUDA driver version is insufficient for CUDA runtime version",
    losesContext: true,
  },
  "host-alloc": {
    type: "RuntimeError",
    message: "DefaultCPUAllocator: can't allocate memory: you tried to allocate 28311552000 bytes.",
  },
  "disk-full": { type: "OSError", message: "[Errno 28] No space left on device" },
  network: {
    type: "huggingface_hub.errors.HfHubHTTPError",
    message: "503 Server Error: Service Unavailable for url",
  },
  offline: {
    type: "huggingface_hub.errors.OfflineModeIsEnabled",
    message: "Cannot reach the hub: offline mode is enabled.",
  },
  gated: { type: "huggingface_hub.errors.GatedRepoError", message: "Cannot access gated repo for url" },
  "not-found": { type: "huggingface_hub.errors.RevisionNotFoundError", message: "404 Client Error. RevisionNotFound" },
  "missing-package": {
    type: "RuntimeError",
    message: "Sage Attention backend 'sage' is not usable because of missing package",
  },
  "offload-conflict": {
    type: "ValueError",
    message:
      "You are trying to apply model/sequential CPU offloading to a pipeline that contains components with group offloading enabled. This is not supported.",
  },
  nccl: {
    type: "torch.distributed.DistBackendError",
    message: "NCCL error in: ProcessGroupNCCL.cpp:2251, unhandled cuda error",
    losesContext: true,
  },
  "no-weights": {
    type: "OSError",
    message: "Error no file named diffusion_pytorch_model.safetensors found in directory (simulated).",
  },
} as const satisfies Record<string, LibraryError>;

export const libraryErrorNames: readonly string[] = Object.keys(errors);

/** The failure of that name; `poison` is called where the device's context goes with it. */
export function libraryFailure(name: string, poison: () => void): SimulatedFailure {
  const error = (errors as Readonly<Record<string, LibraryError>>)[name];
  if (error === undefined) throw new RangeError(`There is no library error ${name}.`);
  if (error.losesContext === true) poison();
  return new SimulatedFailure(error.type, error.message);
}
