/** Names that the wire keeps for its clients → what a person reads. */
const plainNames: Readonly<Record<string, string>> = {
  fallback_to_mock: "show stand-ins",
  retry_model_download: "download the model again",
  apply_vram_optimization: "use less of the card's memory",
  restart_pipeline: "start the worker again",
  clear_gpu_cache: "clear the card's cache",
  reduce_generation_params: "make the video smaller",
  enable_cpu_offload: "move part of the model to main memory",
  system_health_check: "measure host and card",
  model_loading_failure: "the model cannot be loaded",
  vram_exhaustion: "the card's memory is full",
  generation_pipeline_error: "the render failed",
  hardware_optimization_failure: "a memory setting failed",
  system_resource_error: "the host runs short",
  network_error: "the network failed",
};

/** Names that have no words of their own, and texts, come back with spaces for underscores. */
export function plainName(text: string): string {
  const signal = /^signal (SIG[A-Z]+)$/.exec(text)?.[1];
  if (signal !== undefined) return `the worker was ended by ${signal}`;
  return Object.hasOwn(plainNames, text) ? (plainNames[text] ?? text) : text.replaceAll("_", " ");
}
