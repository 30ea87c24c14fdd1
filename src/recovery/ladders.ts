import { type FailureType, failureTypes, type RecoveryAction, recoveryActions } from "../core/words.ts";

export type Ladder = readonly RecoveryAction[];
export type Ladders = Readonly<Record<FailureType, Ladder>>;

/** The seed's strategies. */
export const defaultLadders: Ladders = {
  model_loading_failure: ["clear_gpu_cache", "retry_model_download", "apply_vram_optimization", "fallback_to_mock"],
  vram_exhaustion: ["clear_gpu_cache", "apply_vram_optimization", "enable_cpu_offload", "reduce_generation_params", "fallback_to_mock"],
  generation_pipeline_error: ["clear_gpu_cache", "restart_pipeline", "apply_vram_optimization", "fallback_to_mock"],
  hardware_optimization_failure: ["system_health_check", "clear_gpu_cache", "fallback_to_mock"],
  system_resource_error: ["system_health_check", "clear_gpu_cache", "fallback_to_mock"],
  network_error: ["retry_model_download", "fallback_to_mock"],
};

export type LadderCheck =
  | { readonly kind: "valid"; readonly ladders: Ladders }
  /** One sentence per problem. */
  | { readonly kind: "refused"; readonly problems: readonly string[] };

const isFailureType = (name: string): name is FailureType => (failureTypes as readonly string[]).includes(name);
const isAction = (name: string): name is RecoveryAction => (recoveryActions as readonly string[]).includes(name);

function problemsOf(name: string, rungs: readonly string[]): string[] {
  if (!isFailureType(name)) return [`There is no failure type "${name}"; use one of ${failureTypes.join(", ")}.`];
  const problems = rungs
    .filter((rung) => !isAction(rung))
    .map((rung) => `The ladder of ${name} names an unknown action "${rung}"; use one of ${recoveryActions.join(", ")}.`);
  const repeated = rungs.find((rung, index) => rungs.indexOf(rung) !== index);
  if (repeated !== undefined)
    problems.push(`The ladder of ${name} names "${repeated}" twice; a rung that did not help is not tried again in the same climb.`);
  if (rungs.at(-1) !== "fallback_to_mock")
    problems.push(`The ladder of ${name} must end in fallback_to_mock, so that somebody always answers.`);
  return problems;
}

/** Configured ladders over the default ones. Refuses, with a sentence, what could not be climbed. */
export function validateLadders(configured: Readonly<Record<string, readonly string[]>>): LadderCheck {
  const problems = Object.entries(configured).flatMap(([name, rungs]) => problemsOf(name, rungs));
  if (problems.length > 0) return { kind: "refused", problems };
  const ladders: Record<FailureType, Ladder> = { ...defaultLadders };
  for (const type of failureTypes) ladders[type] = configured[type]?.filter(isAction) ?? defaultLadders[type];
  return { kind: "valid", ladders };
}
