/** What the tree says of all flags together: by their names alone it is known which of them have a value. */
import type { Command, RouteMap } from "@stricli/core";
import { commandTree } from "./command-tree.ts";
import type { Parsing } from "./parsing.ts";

export type Leaf = Command<Parsing>;
export type Target = Leaf | RouteMap<Parsing>;

export const isLeaf = (target: Target): target is Leaf => "parameters" in target;

const leavesOf = (target: Target): readonly Leaf[] =>
  isLeaf(target) ? [target] : target.getAllEntries().flatMap((entry) => leavesOf(entry.target));

export interface DeclaredFlag {
  readonly type: "string" | "boolean";
  readonly short?: string;
}

function flagsOf({ parameters: { flags = {}, aliases = {} } }: Leaf): readonly (readonly [string, DeclaredFlag])[] {
  const shortOf = Object.fromEntries(Object.entries(aliases).map(([short, name]) => [String(name), short]));
  return Object.entries(flags).map(([name, { kind }]) => {
    const short = shortOf[name];
    return [name, { type: kind === "boolean" ? "boolean" : "string", ...(short === undefined ? {} : { short }) }];
  });
}

export const declaredFlags: Readonly<Record<string, DeclaredFlag>> = {
  ...Object.fromEntries(leavesOf(commandTree).toReversed().flatMap(flagsOf)),
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
};

/** The values of a flag that takes no others. */
export const valuesOf = (name: string): readonly string[] =>
  leavesOf(commandTree).flatMap(({ parameters: { flags = {} } }) => {
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    return flag?.kind === "enum" ? flag.values : [];
  });

/** Whether giving the flag again adds a value; of every other flag the last value counts. */
export function isRepeatable({ parameters: { flags = {} } }: Leaf, name: string): boolean {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  return flag !== undefined && "variadic" in flag && flag.variadic !== undefined;
}

/** What follows its first operand belongs to another program. */
export const passesOn = ({ parameters: { positional } }: Leaf): boolean => positional?.kind === "array";
