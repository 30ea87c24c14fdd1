/**
 * The one list of words. Code, API, metrics and documents use these and no synonyms.
 */

export const jobStates = ["queued", "running", "succeeded", "failed", "cancelled", "quarantined"] as const;
export type JobState = (typeof jobStates)[number];

/** A job in one of these states never changes state again, except `quarantined`, which an operator may release. */
export const endedJobStates: readonly JobState[] = ["succeeded", "failed", "cancelled", "quarantined"];

export const failureTypes = [
  "model_loading_failure",
  "vram_exhaustion",
  "generation_pipeline_error",
  "hardware_optimization_failure",
  "system_resource_error",
  "network_error",
] as const;
export type FailureType = (typeof failureTypes)[number];

/** The actions stand in the order in which the compatible routes list them. */
export const recoveryActions = [
  "fallback_to_mock",
  "retry_model_download",
  "apply_vram_optimization",
  "restart_pipeline",
  "clear_gpu_cache",
  "reduce_generation_params",
  "enable_cpu_offload",
  "system_health_check",
] as const;
export type RecoveryAction = (typeof recoveryActions)[number];

/** `unknown` is never counted as success, `skipped` means that a precondition showed that the action cannot help. */
export const outcomes = ["effective", "ineffective", "failed", "unknown", "skipped"] as const;
export type Outcome = (typeof outcomes)[number];

/**
 * Who is to blame for a failed attempt. `job`: it alone is suspected, and waits behind the others · `size`: it does not
 * fit in this memory mode, and the job is planned anew · `route`: the worker is repaired.
 */
export const blames = ["job", "size", "route"] as const;
export type Blame = (typeof blames)[number];

/** `inVain`: nothing that was done changed the jobs' failure, and the test render passes. */
export const climbOutcomes = ["repaired", "stoodIn", "inVain"] as const;
export type ClimbOutcome = (typeof climbOutcomes)[number];

export const modes = ["loading", "ready", "degraded", "recovering", "mock", "draining"] as const;
export type Mode = (typeof modes)[number];

export const attributions = ["request", "model", "worker", "gpu", "host", "network", "configuration"] as const;
export type Attribution = (typeof attributions)[number];

/** What can go wrong, more finely than by code: several classes share a code and differ in what helps. */
export const faultClassNames = [
  "request",
  "loraUnsupported",
  "modelFile",
  "authentication",
  "notFound",
  "offlineMode",
  "outOfMemory",
  "outOfMemoryFragmented",
  "outOfVirtualSpace",
  "outOfMemoryNeighbour",
  "contextPoisoned",
  "gpuMemoryFault",
  "gpuLost",
  "gpuResetRequired",
  "gpuHardware",
  "driver",
  "hostOomKiller",
  "hostAllocation",
  "diskFull",
  "network",
  "missingDependency",
  "offloadConflict",
  "actionNotApplied",
  "onProcessor",
  "workerConfiguration",
  "protocolMismatch",
  "multiGpu",
  "crashBySignal",
  "workerExit",
  "ownStop",
  "silence",
  "stall",
  "badOutput",
  "thermal",
  "unknown",
] as const;
export type FaultClass = (typeof faultClassNames)[number];

export const phases = ["encode", "denoise", "decode", "mux"] as const;
export type Phase = (typeof phases)[number];

/** How a model is placed, from most to least memory on the card. Chosen at load. */
export const loadProfiles = ["full", "model-offload", "tiling", "group-offload", "fp8"] as const;
export type LoadProfile = (typeof loadProfiles)[number];

/** The models that are known without a registry file. */
export const modelIds = ["T2V-A14B", "I2V-A14B", "TI2V-5B"] as const;
/** A name of the catalogue: a built-in model's, or one that a registry file adds. */
export type ModelId = string;
export const modelNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

/** `image`: what the request brought, from which the render begins. */
export const artifactKinds = ["result", "stand_in", "thumbnail", "image", "rejected"] as const;
export type ArtifactKind = (typeof artifactKinds)[number];

/** Which of two experts a LoRA changes. */
export const loraExperts = ["both", "high", "low"] as const;
export type LoraExpert = (typeof loraExperts)[number];

export const fallbackConsents = ["stand_in_then_real", "wait", "fail", "stand_in"] as const;
export type FallbackConsent = (typeof fallbackConsents)[number];

/**
 * What somebody who wants a video can count on. `realNow`: rendered at once · `realLater`: kept, and rendered later ·
 * `standInThenReal`: a stand-in first, the real video is owed · `standInOnly`: a stand-in is the end · `refused`: not taken,
 * or failed with a clear error.
 */
export const promiseKinds = ["realNow", "realLater", "standInThenReal", "standInOnly", "refused"] as const;
export type PromiseKind = (typeof promiseKinds)[number];

/**
 * Where a worker stands as a way to real video, from the best to the worst. `serving`: takes a job now, or when the one in
 * its hand has ended · `returning`: one job is let through before all are · `checking`: a test render is in its hand, like
 * a job · `loading`, `starting`, `repairing`: comes back by itself · `resting`: starts when it is wanted · the others are
 * cut off until something happens that nobody can count on.
 */
export const standings = [
  "serving",
  "returning",
  "checking",
  "loading",
  "starting",
  "resting",
  "repairing",
  "modelAside",
  "breakerOpen",
  "standingIn",
  "crashLooping",
  "exhausted",
  "unstartable",
  "stopped",
] as const;
export type Standing = (typeof standings)[number];

/** Why nobody is let in. */
const closedDoors = ["stopping", "drained", "diskFull"] as const;
export type ClosedDoor = (typeof closedDoors)[number];

/** Why a job is held back for a time of its own: there is no memory for it now, or its last attempt did not go well. */
const heldBacks = ["memoryShort", "backingOff"] as const;
export type HeldBack = (typeof heldBacks)[number];

/** Why a promise is what it is; sentences are made from it. */
export const promiseReasons = [...standings, ...heldBacks, "queued", "notOffered", "paused", ...closedDoors] as const;
export type PromiseReason = (typeof promiseReasons)[number];

export const reductionKinds = ["frames", "resolution", "alternative_model"] as const;
export type ReductionKind = (typeof reductionKinds)[number];

export const healthStatuses = ["unknown", "healthy", "degraded", "critical", "error"] as const;
export type HealthStatus = (typeof healthStatuses)[number];

/** Tags that every subsystem machine carries; outsiders ask tags, never state names. */
export const machineTags = ["loading", "degraded", "recovering", "mock", "servable", "busy"] as const;
export type MachineTag = (typeof machineTags)[number];

/** What a key may do: each role may do what those before it may. `open` needs no key. */
export const accessRoles = ["open", "viewer", "submitter", "operator"] as const;
export type AccessRole = (typeof accessRoles)[number];
/** Roles that a key can have. */
export const keyRoles = ["viewer", "submitter", "operator"] as const satisfies readonly AccessRole[];
export type KeyRole = (typeof keyRoles)[number];

/**
 * What a worker's process is. `resting`: stopped to give the card back, and started again when it is wanted ·
 * `unstartable`: it cannot start until a person mends what it names.
 */
export const workerConditions = ["down", "connected", "crashLooping", "stopped", "resting", "unstartable"] as const;
export type WorkerCondition = (typeof workerConditions)[number];

export const breakerStates = ["closed", "open", "halfOpen"] as const;
export type BreakerState = (typeof breakerStates)[number];

export const incidentStatuses = ["open", "resolved", "exhausted", "abandoned"] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];
