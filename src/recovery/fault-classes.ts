/**
 * What follows from the class of a fault: its code, whose fault it is, which ladder it gets, whether a retry may help,
 * and what only a person can do.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { Attribution, FailureType, FaultClass } from "../core/words.ts";

/** What every fault of one class has in common. */
export interface FaultClassFacts {
  readonly code: ErrorCode;
  readonly attribution: Attribution;
  /** Null opens no incident. */
  readonly failureType: FailureType | null;
  /** Nothing inside the worker's process can help any more. */
  readonly contextPoisoned: boolean;
  /** Whether the same request may succeed later, here or on another worker. */
  readonly retryable: boolean;
  /** What only a person can do; null when nothing. */
  readonly operatorAction: string | null;
}

const plain = { contextPoisoned: false, retryable: true, operatorAction: null } as const;
const memory = { ...plain, code: "GPU_OUT_OF_MEMORY", attribution: "gpu", failureType: "vram_exhaustion" } as const;
const device = { ...plain, attribution: "gpu", failureType: "system_resource_error", contextPoisoned: true } as const;
const host = { ...plain, attribution: "host", failureType: "system_resource_error" } as const;
const worker = { ...plain, attribution: "worker", failureType: "generation_pipeline_error" } as const;
const poisoned = { ...worker, attribution: "gpu", contextPoisoned: true } as const;
const tuning = {
  ...plain,
  code: "OPTIMIZATION_UNAVAILABLE",
  attribution: "configuration",
  failureType: "hardware_optimization_failure",
} as const;
/** A model that only a person can make available. */
const unavailable = {
  code: "MODEL_NOT_AVAILABLE",
  attribution: "configuration",
  failureType: "model_loading_failure",
  contextPoisoned: false,
  retryable: false,
} as const;

/** Where another fetch of a model's file would bring the same. */
export const fetchedInVain = {
  retryable: false,
  operatorAction: "Check the model's source: what it serves is not what it promises.",
} as const;

/** Where a worker is ended from outside so often that it is no accident. */
export const endedAgainAndAgain = {
  operatorAction:
    "Find out who ends the worker's process: a person, a service manager, a guard against want of memory, or the kernel.",
} as const;

/** Every class of faults, with its place in the six failure types. */
export const faultClasses = {
  request: { ...plain, code: "REQUEST_INVALID", attribution: "request", failureType: null, retryable: false },
  loraUnsupported: { ...plain, code: "LORA_UNSUPPORTED", attribution: "request", failureType: null, retryable: false },
  modelFile: { ...plain, code: "MODEL_FILE_CORRUPT", attribution: "model", failureType: "model_loading_failure" },
  authentication: {
    ...unavailable,
    operatorAction: "Accept the model's licence and configure a token that may read it.",
  },
  notFound: {
    ...unavailable,
    operatorAction: "Correct the model's repository, revision or file name in the configuration.",
  },
  offlineMode: {
    ...unavailable,
    operatorAction: "Turn the hub's offline mode off, or put the model's files in place.",
  },
  outOfMemory: memory,
  outOfMemoryFragmented: memory,
  outOfVirtualSpace: { ...memory, attribution: "worker" },
  /** Somebody else's process: it never speaks against the worker. */
  outOfMemoryNeighbour: { ...memory, attribution: "host" },
  contextPoisoned: { ...poisoned, code: "GPU_CONTEXT_POISONED" },
  gpuMemoryFault: { ...device, code: "GPU_MEMORY_FAULT" },
  gpuLost: { ...device, code: "GPU_LOST", operatorAction: "Reboot the host: the card does not answer on the bus." },
  gpuResetRequired: {
    ...device,
    code: "GPU_RESET_REQUIRED",
    operatorAction: "Reset the card when nothing uses it, or reboot the host.",
  },
  gpuHardware: {
    ...device,
    code: "GPU_HARDWARE",
    operatorAction: "Have the card, its power cables and its links inspected.",
  },
  driver: {
    ...device,
    code: "GPU_DRIVER_FAILED",
    attribution: "host",
    operatorAction: "Repair the GPU driver, or reboot the host after its update.",
  },
  hostOomKiller: { ...host, code: "HOST_OUT_OF_MEMORY" },
  hostAllocation: { ...host, code: "HOST_OUT_OF_MEMORY" },
  diskFull: { ...host, code: "DISK_FULL" },
  network: { ...plain, code: "NETWORK_UNREACHABLE", attribution: "network", failureType: "network_error" },
  missingDependency: {
    ...tuning,
    operatorAction: "Install the package that the worker names, or turn the optimisation off.",
  },
  offloadConflict: tuning,
  actionNotApplied: tuning,
  onProcessor: tuning,
  workerConfiguration: {
    ...worker,
    code: "WORKER_CONFIGURATION",
    attribution: "configuration",
    retryable: false,
    operatorAction: "Correct the worker's configuration.",
  },
  protocolMismatch: {
    ...worker,
    code: "WORKER_PROTOCOL_MISMATCH",
    attribution: "configuration",
    retryable: false,
    operatorAction: "Install matching versions of service and worker.",
  },
  multiGpu: { ...poisoned, code: "GPU_LINK_FAILED" },
  crashBySignal: { ...worker, code: "WORKER_EXITED" },
  workerExit: { ...worker, code: "WORKER_EXITED" },
  /** This service ended the process on purpose: nobody's fault, and no incident. */
  ownStop: { ...worker, code: "WORKER_EXITED", attribution: "configuration", failureType: null },
  silence: { ...worker, code: "WORKER_SILENT" },
  stall: { ...worker, code: "WORKER_STALLED" },
  badOutput: { ...worker, code: "OUTPUT_INVALID", attribution: "model" },
  thermal: { ...host, code: "GPU_THROTTLED", attribution: "gpu" },
  unknown: { ...worker, code: "WORKER_ERROR" },
} as const satisfies Record<FaultClass, FaultClassFacts>;
