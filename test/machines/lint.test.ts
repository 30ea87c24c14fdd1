import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type AnyStateMachine, fromCallback, fromPromise, type StateNode, setup } from "xstate";
import { loadMachines } from "../../scripts/statecharts/machine-files.ts";
import { machineTags } from "../../src/core/words.ts";
import { isPromiseLogic, lintMachine } from "./lint.ts";

const machines = await loadMachines();

function leavesOf(node: StateNode): StateNode[] {
  const children = Object.values(node.states);
  return children.length === 0 ? [node] : children.flatMap(leavesOf);
}
const depthOf = (node: StateNode): number => 1 + Math.max(0, ...Object.values(node.states).map(depthOf));

describe.each(machines)("the machine $name", ({ name, machine }) => {
  it("names everything, and everything named exists and is used", () => {
    expect(lintMachine(machine)).toEqual([]);
  });
  it("shows its chart first: nothing but its header and its imports stands before", () => {
    const file = new URL(`../../src/machines/${name}.machine.ts`, import.meta.url);
    const [before = ""] = readFileSync(file, "utf8").split(/^export const \w+ = \w+\.createMachine\(\{$/m);
    expect(
      before
        .replace(/^\/\*\*.*?\*\/$/ms, "")
        .replace(/^import .*?;$/gms, "")
        .trim(),
    ).toBe("");
  });
  it("stays within 14 leaf states and 3 levels", () => {
    expect(leavesOf(machine.root).length).toBeLessThanOrEqual(14);
    expect(depthOf(machine.root) - 1).toBeLessThanOrEqual(3);
  });
  it("is called like its file", () => {
    expect(machine.id).toBe(name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
  });
  it("carries only the tags of the word list", () => {
    const tags = [machine.root, ...leavesOf(machine.root)].flatMap((node) => node.tags);
    expect(tags.filter((tag) => !(machineTags as readonly string[]).includes(tag))).toEqual([]);
  });
});

describe("the lint itself", () => {
  const base = setup({
    actions: { known: () => undefined, idle: () => undefined },
    guards: { holds: () => true },
    delays: { waitMs: 5 },
    actors: { work: fromPromise(async () => 1), listen: fromCallback(() => undefined) },
  });
  const lintStates = (states: object): string =>
    lintMachine(base.createMachine({ initial: "a", states } as never) as unknown as AnyStateMachine).join("\n");
  it.each([
    ["an unknown delay", { after: { nopeMs: "b" } }, "delay nopeMs"],
    ["a delay written as a number", { after: { 100: "b" } }, "delay 100"],
    ["an unknown action", { entry: "nope" }, "action nope"],
    ["an inline action", { entry: () => undefined }, "inline action"],
    ["an inline guard", { on: { go: { guard: () => true, target: "b" } } }, "inline guard"],
    ["an unknown guard", { on: { go: { guard: "nope", target: "b" } } }, "guard nope"],
    ["an unknown actor", { invoke: { src: "nope", onDone: "b", onError: "b" } }, "actor nope"],
    ["a promise without onError", { invoke: { src: "work", onDone: "b" }, after: { waitMs: "b" } }, "no onError"],
    ["a promise without onDone", { invoke: { src: "work", onError: "b" }, after: { waitMs: "b" } }, "no onDone"],
    [
      "a promise without a way out in time",
      { invoke: { src: "work", onDone: "b", onError: "b" } },
      "no way out in time",
    ],
    ["a callback without onError", { invoke: { src: "listen" } }, "no onError"],
    ["a state without a description", { description: undefined }, "no description"],
    ["an implementation that nothing uses", {}, "is never used"],
  ])("finds %s", (_, state, problem) => {
    const states = { a: { description: "A.", on: { end: "b" }, ...state }, b: { type: "final" } };
    expect(lintStates(states)).toContain(problem);
  });
  it("finds a final state without an output", () => {
    expect(lintStates({ a: { type: "final", description: "A." } })).toContain("no output");
  });
  it("tells promises from callbacks", () => {
    expect(isPromiseLogic(fromPromise(async () => 1))).toBe(true);
    expect(isPromiseLogic(fromCallback(() => undefined))).toBe(false);
  });
});
