/**
 * The order of recovery actions for each failure type, and the check of ladders that a configuration brings. A refused
 * ladder is told with the name that was probably meant.
 */
import { type FailureType, failureTypes, type RecoveryAction, recoveryActions } from "../core/words.ts";

export type Ladder = readonly RecoveryAction[];
export type Ladders = Readonly<Record<FailureType, Ladder>>;

/** The strategies of the system whose clients this service serves: they read these names in this order. */
export const defaultLadders: Ladders = {
  model_loading_failure: ["clear_gpu_cache", "retry_model_download", "apply_vram_optimization", "fallback_to_mock"],
  vram_exhaustion: [
    "clear_gpu_cache",
    "apply_vram_optimization",
    "enable_cpu_offload",
    "reduce_generation_params",
    "fallback_to_mock",
  ],
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

/** The number of letters to insert, drop or exchange that turn one word into the other. */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const exchange = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(exchange, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/** A name as far away as half its letters is another word, not a slip. */
function nearest(name: string, names: readonly string[]): string | null {
  const [best] = names
    .map((known) => ({ known, distance: distanceOf(name, known) }))
    .toSorted((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= best.known.length / 2 ? best.known : null;
}

const insteadOf = (name: string, names: readonly string[]): string => {
  const known = nearest(name, names);
  return known === null
    ? `write one of ${names.join(", ")}`
    : `write "${known}" instead, or another of ${names.join(", ")}`;
};

const written = (rungs: readonly string[]): string => JSON.stringify(rungs);

function problemsOf(name: string, rungs: readonly string[]): string[] {
  if (!isFailureType(name)) return [`There is no failure type "${name}"; ${insteadOf(name, failureTypes)}.`];
  if (rungs.length === 0)
    return [
      `The ladder of ${name} is empty; write at least ${written(["fallback_to_mock"])}, or leave it out to keep the built-in one.`,
    ];
  const problems = [...new Set(rungs.filter((rung) => !isAction(rung)))].map(
    (rung) => `The ladder of ${name} names an unknown action "${rung}"; ${insteadOf(rung, recoveryActions)}.`,
  );
  const unique = [...new Set(rungs)];
  const repeated = unique.filter((rung) => rungs.indexOf(rung) !== rungs.lastIndexOf(rung));
  for (const rung of repeated) {
    const kept = rung === "fallback_to_mock" ? "keep the one at the end" : "keep the first";
    problems.push(
      `The ladder of ${name} names "${rung}" ${rungs.filter((other) => other === rung).length} times; a rung that did not help is not tried again in the same climb: ${kept}.`,
    );
  }
  if (rungs.at(-1) !== "fallback_to_mock") {
    const corrected = [...unique.filter((rung) => isAction(rung) && rung !== "fallback_to_mock"), "fallback_to_mock"];
    problems.push(
      `The ladder of ${name} must end in fallback_to_mock, so that somebody always answers; write ${written(corrected)}.`,
    );
  }
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
