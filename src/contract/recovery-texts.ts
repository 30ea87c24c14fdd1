/** Failure types and recovery actions in sentences, for the API and for incident reports. */
import type { FailureType, RecoveryAction } from "../core/words.ts";

/** For `GET /api/v1/recovery/actions`. */
export const failureTypeDescriptions: Readonly<Record<FailureType, string>> = {
  model_loading_failure: "A model's files are missing, damaged or cannot be loaded.",
  vram_exhaustion: "The card's memory does not suffice for what is to be rendered.",
  generation_pipeline_error: "The render itself failed: the worker crashed, hung, or made an unusable file.",
  hardware_optimization_failure: "A memory-saving setting could not be applied, or a dependency for it is missing.",
  system_resource_error: "The host or the card lacks something: memory, disk, a driver, or the card itself.",
  network_error: "A remote host that is needed, for instance for a download, does not answer.",
};

export const recoveryActionDescriptions: Readonly<Record<RecoveryAction, string>> = {
  fallback_to_mock: "A labelled stand-in video serves until the main model has been proven again.",
  retry_model_download: "Every model file is verified, and what is missing or wrong is fetched again.",
  apply_vram_optimization: "Memory-saving settings that do not change the picture are applied.",
  restart_pipeline: "The worker process is stopped and started again.",
  clear_gpu_cache: "What the last job left in the card's memory is released.",
  reduce_generation_params: "Fewer frames, a smaller size or another model, as far as the job allows it.",
  enable_cpu_offload: "The model is loaded again in a leaner memory mode.",
  system_health_check: "Host and cards are measured afresh, to see whether the cause is gone.",
};
