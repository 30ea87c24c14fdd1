/**
 * Numbers by which system calls, shells, `nvidia-smi` and NVML report a failure, with the class of each. A number that
 * is not here decides nothing.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import type { FaultClass } from "../core/words.ts";

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
  ENETUNREACH: "network",
};

/** Exit codes by which a worker says why it ends; the protocol names them. */
export const chosenExitCodes: Readonly<Record<number, FaultClass>> = {
  75: "contextPoisoned",
  78: "workerConfiguration",
};

/** A shell, and a container's init, report death by signal n as 128 + n. */
export const shellSignals: Readonly<Record<number, string>> = {
  129: "SIGHUP",
  130: "SIGINT",
  131: "SIGQUIT",
  132: "SIGILL",
  134: "SIGABRT",
  135: "SIGBUS",
  136: "SIGFPE",
  137: "SIGKILL",
  139: "SIGSEGV",
  143: "SIGTERM",
  152: "SIGXCPU",
  153: "SIGXFSZ",
};

interface NumberMeaning {
  readonly faultClass: FaultClass;
  readonly meaning: string;
}

/** `nvidia-smi`'s exit codes that speak of the machine (its manual); 2 and 4 speak of the caller. */
export const smiExitCodes: Readonly<Record<number, NumberMeaning>> = {
  8: { faultClass: "gpuHardware", meaning: "an external power cable is not attached" },
  9: { faultClass: "driver", meaning: "the driver is not loaded" },
  10: { faultClass: "gpuHardware", meaning: "the kernel found a problem with the card's interrupts" },
  12: { faultClass: "driver", meaning: "the NVML library is missing" },
  13: { faultClass: "driver", meaning: "the NVML library lacks a function" },
  14: { faultClass: "gpuHardware", meaning: "the card's infoROM is corrupt" },
  15: { faultClass: "gpuLost", meaning: "the card has fallen off the bus" },
};

/** NVML's return codes that speak of the machine (nvml.h). */
export const nvmlCodes: Readonly<Record<number, NumberMeaning>> = {
  8: { faultClass: "gpuHardware", meaning: "the card has insufficient power" },
  9: { faultClass: "driver", meaning: "the driver is not loaded" },
  11: { faultClass: "gpuHardware", meaning: "the kernel found a problem with the card's interrupts" },
  12: { faultClass: "driver", meaning: "the NVML library is missing" },
  13: { faultClass: "driver", meaning: "the NVML library lacks a function" },
  14: { faultClass: "gpuHardware", meaning: "the card's infoROM is corrupt" },
  15: { faultClass: "gpuLost", meaning: "the card is lost" },
  16: { faultClass: "gpuResetRequired", meaning: "the card requires a reset" },
  18: { faultClass: "driver", meaning: "driver and library are of different versions" },
};

/** `gpu_recovery_action`, as `nvidia-smi` and XID 154 write it; the first fragment that occurs counts. `None` is no fault. */
export const recoveryActionClasses: readonly (readonly [fragment: string, faultClass: FaultClass])[] = [
  ["Drain P2P", "multiGpu"],
  ["Reset", "gpuResetRequired"],
  ["Reboot", "gpuLost"],
];

/** Bits of `clocks_event_reasons.active` that mean a card in trouble; 0x4, the software power cap, is normal under load. */
export const throttleBits: readonly (readonly [bit: number, meaning: string])[] = [
  [0x40, "hardware thermal slow-down"],
  [0x80, "hardware power brake"],
  [0x20, "software thermal slow-down"],
  [0x8, "hardware slow-down"],
];

/** Statuses of the hub of model files. 401 is what it answers for a repository that does not exist, too (huggingface_hub). */
export const hubStatuses: Readonly<Record<number, FaultClass>> = {
  401: "authentication",
  403: "authentication",
  404: "notFound",
  408: "network",
  429: "network",
  500: "network",
  502: "network",
  503: "network",
  504: "network",
};

/** The hub's `X-Error-Code`; it is more exact than the status. */
export const hubErrorCodes: Readonly<Record<string, FaultClass>> = {
  GatedRepo: "authentication",
  RepoNotFound: "notFound",
  RevisionNotFound: "notFound",
  EntryNotFound: "notFound",
};

/**
 * Statuses of a renderer behind HTTP. 400 is judged by its body; 500 stays unknown, because ComfyUI answers it to malformed
 * JSON as well as on a poisoned context.
 */
export const workerStatuses: Readonly<Record<number, FaultClass>> = {
  401: "workerConfiguration",
  403: "workerConfiguration",
  408: "network",
  413: "request",
  422: "request",
  429: "network",
  502: "network",
  503: "network",
  504: "network",
};

/** What this program's own errors mean for the worker that they are about. */
export const ownErrorClasses: Partial<Record<ErrorCode, FaultClass>> = {
  WORKER_EXITED: "workerExit",
  WORKER_SILENT: "silence",
  WORKER_STALLED: "stall",
  WORKER_CONFIGURATION: "workerConfiguration",
  WORKER_PROTOCOL_MISMATCH: "protocolMismatch",
  MODEL_FILE_CORRUPT: "modelFile",
  MODEL_GATED: "authentication",
  MODEL_ACCESS_DENIED: "authentication",
  MODEL_NOT_FOUND: "notFound",
  MODEL_DOES_NOT_FIT: "workerConfiguration",
  NETWORK_UNREACHABLE: "network",
  DISK_FULL: "diskFull",
  HOST_OUT_OF_MEMORY: "hostAllocation",
  OUTPUT_INVALID: "badOutput",
};
