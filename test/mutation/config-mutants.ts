/**
 * Makes mutants of a machine's configuration: transitions deleted or led elsewhere, guards dropped or negated, delays
 * removed.
 */
import { not } from "xstate";
import type { Mutant, Operator } from "./mutant.ts";
import { copyConfig, type RawState, type RawTransition, type Slot, slotsOf } from "./transition-slots.ts";

/** Far above what any chart needs for one event; a mutant that circles without an end must not hold up the run. */
const microstepLimit = 1_000;

interface Change {
  readonly operator: Operator;
  readonly path: string;
  readonly carryOut: () => void;
}

const stateAt = (config: RawState, path: readonly string[]): RawState | undefined =>
  path.reduce<RawState | undefined>((state, key) => state?.states?.[key], config);

/** Keys of the state that a transition of `path` leads to. */
function targetOf(target: string, path: readonly string[]): readonly string[] {
  if (target.startsWith("#")) return target.split(".").slice(1);
  if (target.startsWith(".")) return [...path, ...target.slice(1).split(".")];
  return [...path.slice(0, -1), ...target.split(".")];
}

/** The state after the target among its siblings, the first one after the last; null when it has none. */
function wrongTarget(config: RawState, path: readonly string[], { target }: RawTransition): readonly string[] | null {
  if (target === undefined) return null;
  const right = targetOf(target, path);
  const siblings = Object.keys(stateAt(config, right.slice(0, -1))?.states ?? {});
  const next = siblings[(siblings.indexOf(right.at(-1) ?? "") + 1) % siblings.length];
  return siblings.length < 2 || next === undefined ? null : [...right.slice(0, -1), next];
}

function changesOfTransition(config: RawState, slot: Slot, index: number): Change[] {
  const { transitions, write } = slot;
  const transition = transitions[index] as RawTransition;
  const at = `${slot.path.join(".") || "root"}: ${slot.label}${transitions.length > 1 ? ` #${index + 1}` : ""}`;
  const replace = (changed: RawTransition): void =>
    write(transitions.map((one, position) => (position === index ? changed : one)));
  const { guard, ...unguarded } = transition;
  const wrong = wrongTarget(config, slot.path, transition);
  const changes: Change[] = [];
  if (!slot.isDelay || transitions.length > 1)
    changes.push({
      operator: "delete transition",
      path: at,
      carryOut: () => write(transitions.filter((one) => one !== transition)),
    });
  if (wrong !== null) {
    const target = `#${config.id}.${wrong.join(".")}`;
    changes.push({
      operator: "retarget",
      path: `${at} → ${wrong.join(".")}`,
      carryOut: () => replace({ ...transition, target }),
    });
  }
  if (guard !== undefined) {
    changes.push({ operator: "drop guard", path: at, carryOut: () => replace(unguarded) });
    changes.push({
      operator: "negate guard",
      path: at,
      carryOut: () => replace({ ...transition, guard: not(guard as never) }),
    });
  }
  return changes;
}

function changesOf(config: RawState): readonly Change[] {
  return slotsOf(config).flatMap((slot) => {
    const changes = slot.transitions.flatMap((_, index) => changesOfTransition(config, slot, index));
    const at = `${slot.path.join(".") || "root"}: ${slot.label}`;
    return slot.isDelay
      ? [...changes, { operator: "delete delay" as const, path: at, carryOut: () => slot.write([]) }]
      : changes;
  });
}

/** Every mutant of a machine's configuration. */
export function mutantsOfConfig(machine: string, config: RawState): readonly Mutant[] {
  return changesOf(copyConfig(config)).map(({ operator, path }) => ({ machine, operator, path }));
}

/** A changed copy; null when the configuration has no such place. */
export function mutateConfig(config: RawState, { operator, path }: Mutant): RawState | null {
  const copy = copyConfig(config);
  if (operator !== "nothing") {
    const change = changesOf(copy).find((one) => one.operator === operator && one.path === path);
    if (change === undefined) return null;
    change.carryOut();
  }
  return { ...copy, options: { maxIterations: microstepLimit } };
}
