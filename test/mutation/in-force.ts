/**
 * Puts a mutant in the place of the original inside a test process, so that the ordinary tests run against it
 * unchanged.
 */
import { type AnyStateMachine, StateMachine } from "xstate";
import { loadMachines } from "../../scripts/statecharts/machine-files.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { mutantsOfConfig, mutateConfig } from "./config-mutants.ts";
import { type Mutant, nameOf } from "./mutant.ts";
import { mutantsOfLadders, mutantsOfVerdicts, swapRungs, turnOutcomes } from "./recovery-mutants.ts";
import type { RawState } from "./transition-slots.ts";

const machines = new Map((await loadMachines()).map(({ name, machine }): [string, AnyStateMachine] => [name, machine]));

function machineOf(name: string): AnyStateMachine {
  const machine = machines.get(name);
  if (machine === undefined) throw new Error(`there is no machine ${name}`);
  return machine;
}

const configOf = (name: string): RawState => machineOf(name).config as RawState;

/** Every mutant of one machine, in the order of its chart. */
export function mutantsOf(name: string): readonly Mutant[] {
  const others = name === "recovery" ? [...mutantsOfLadders(defaultLadders), ...mutantsOfVerdicts()] : [];
  return [...mutantsOfConfig(name, configOf(name)), ...others];
}

function putMachine(mutant: Mutant): () => void {
  const machine = machineOf(mutant.machine);
  const config = mutateConfig(machine.config as RawState, mutant);
  if (config === null) throw new Error(`there is no place for ${nameOf(mutant)}`);
  const before = { ...machine };
  // Tests hold the machine by its name: the same object becomes the mutant.
  Object.assign(machine, new StateMachine(config as never, machine.implementations as never));
  return () => Object.assign(machine, before);
}

/** Puts one mutant in the place of the original, for everybody who imports it; the answer takes it back. */
export function putInForce(mutant: Mutant): () => void {
  if (mutant.operator === "turn outcome") {
    turnOutcomes(mutant.path);
    return () => turnOutcomes(null);
  }
  if (mutant.operator !== "swap rungs") return putMachine(mutant);
  const before = { ...defaultLadders };
  const swapped = swapRungs(defaultLadders, mutant.path);
  if (swapped === null) throw new Error(`there is no place for ${nameOf(mutant)}`);
  Object.assign(defaultLadders, swapped);
  return () => Object.assign(defaultLadders, before);
}
