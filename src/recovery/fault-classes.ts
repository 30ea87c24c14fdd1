import type { ErrorCode } from "../core/error-codes.ts";
import type { Attribution, FailureType } from "../core/words.ts";

/** What every fault of one class has in common. */
export interface FaultClassFacts {
  readonly code: ErrorCode;
  readonly attribution: Attribution;
  readonly failureType: FailureType | null;
  readonly contextPoisoned: boolean;
  /** Whether the same request may succeed later, here or on another worker. */
  readonly retryable: boolean;
  readonly operatorAction: string | null;
}

const memory = {
  code: "GPU_OUT_OF_MEMORY",
  attribution: "gpu",
  failureType: "vram_exhaustion",
  contextPoisoned: false,
  retryable: true,
  operatorAction: null,
} as const;
const device = {
  code: "SYSTEM_RESOURCE",
  attribution: "gpu",
  failureType: "system_resource_error",
  contextPoisoned: true,
  retryable: true,
} as const;
const host = {
  code: "SYSTEM_RESOURCE",
  attribution: "host",
  failureType: "system_resource_error",
  contextPoisoned: false,
  retryable: true,
  operatorAction: null,
} as const;
const model = { attribution: "model", failureType: "model_loading_failure", contextPoisoned: false } as const;
const worker = {
  attribution: "worker",
  failureType: "generation_pipeline_error",
  contextPoisoned: false,
  retryable: true,
  operatorAction: null,
} as const;
const tuning = {
  code: "WORKER_ERROR",
  attribution: "configuration",
  failureType: "hardware_optimization_failure",
  contextPoisoned: false,
  retryable: true,
  operatorAction: null,
} as const;

/** Classes of faults, each with its place in the six failure types (design §5). */
export const faultClasses = {
  request: {
    code: "REQUEST_INVALID",
    attribution: "request",
    failureType: null,
    contextPoisoned: false,
    retryable: false,
    operatorAction: null,
  },
  modelFile: { ...model, code: "MODEL_FILE_CORRUPT", retryable: true, operatorAction: null },
  authentication: {
    ...model,
    attribution: "configuration",
    code: "MODEL_NOT_AVAILABLE",
    retryable: false,
    operatorAction: "Accept the model's licence and configure a token that may read it.",
  },
  notFound: {
    ...model,
    attribution: "configuration",
    code: "MODEL_NOT_AVAILABLE",
    retryable: false,
    operatorAction: "Correct the model's repository or revision in the configuration.",
  },
  outOfMemory: memory,
  outOfMemoryFragmented: memory,
  outOfVirtualSpace: { ...memory, attribution: "worker" },
  outOfMemoryNeighbour: memory,
  contextPoisoned: { ...worker, code: "GPU_CONTEXT_POISONED", attribution: "gpu", contextPoisoned: true },
  gpuMemoryFault: { ...device, operatorAction: null },
  gpuLost: { ...device, operatorAction: "Reboot the host: the card does not answer on the bus." },
  gpuResetRequired: { ...device, operatorAction: "Reset the card when nothing uses it, or reboot the host." },
  driver: { ...device, attribution: "host", operatorAction: "Repair the GPU driver, or reboot the host after its update." },
  hostOomKiller: host,
  hostAllocation: host,
  diskFull: { ...host, code: "DISK_FULL" },
  network: {
    code: "NETWORK_UNREACHABLE",
    attribution: "network",
    failureType: "network_error",
    contextPoisoned: false,
    retryable: true,
    operatorAction: null,
  },
  missingDependency: { ...tuning, operatorAction: "Install the package that the worker names, or turn the optimisation off." },
  offloadConflict: tuning,
  actionNotApplied: tuning,
  onProcessor: { ...tuning, operatorAction: null },
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
  multiGpu: { ...worker, code: "WORKER_ERROR", attribution: "gpu", contextPoisoned: true },
  crashBySignal: { ...worker, code: "WORKER_EXITED" },
  workerExit: { ...worker, code: "WORKER_EXITED" },
  silence: { ...worker, code: "WORKER_SILENT" },
  stall: { ...worker, code: "WORKER_STALLED" },
  badOutput: { ...worker, code: "OUTPUT_INVALID", attribution: "model" },
  thermal: { ...host, attribution: "gpu" },
  unknown: { ...worker, code: "WORKER_ERROR" },
} as const satisfies Record<string, FaultClassFacts>;

export type FaultClass = keyof typeof faultClasses;
