/**
 * Loads every machine of `src/machines`, for the pictures and for the tests that must cover all of them: a new machine
 * file is found without being listed anywhere.
 */
import { readdirSync } from "node:fs";
import type { AnyStateMachine } from "xstate";

export interface MachineFile {
  /** `model-loader` for `model-loader.machine.ts`. */
  readonly name: string;
  readonly machine: AnyStateMachine;
}

const folder = new URL("../../src/machines/", import.meta.url);
const suffix = ".machine.ts";

const isMachine = (value: unknown): value is AnyStateMachine =>
  typeof value === "object" && value !== null && "root" in value && "implementations" in value;

/** Every statechart of the program, by file name. Throws when a machine file exports none, or several. */
export async function loadMachines(): Promise<readonly MachineFile[]> {
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(suffix))
    .toSorted();
  return Promise.all(
    names.map(async (file) => {
      const module: Record<string, unknown> = await import(new URL(file, folder).href);
      const machines = Object.values(module).filter(isMachine);
      const [machine] = machines;
      if (machine === undefined || machines.length !== 1)
        throw new Error(`${file} exports ${machines.length} machines instead of one`);
      return { name: file.slice(0, -suffix.length), machine };
    }),
  );
}
