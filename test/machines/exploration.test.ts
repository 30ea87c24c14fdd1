import { afterAll, describe, expect, it } from "vitest";
import { type AnyStateNode, fromPromise, setup } from "xstate";
import { loadMachines } from "../../scripts/statecharts/machine-files.ts";
import { bounds } from "./exploration-samples.ts";
import { explorations } from "./explorations.ts";
import {
  canReach,
  type Exploration,
  explorationClock,
  explore,
  type Graph,
  longestWay,
  type ReachedState,
} from "./explore.ts";

const machines = await loadMachines();
const graphs = new Map<string, Graph>();
const specOf = (name: string): Exploration => {
  const spec = explorations[name];
  if (spec === undefined) throw new Error(`${name} has no exploration; give its events and outputs in explorations.ts`);
  return spec;
};
const failures = new Map<string, unknown>();
/** Explored once; a failure is not tried again by each test. */
const graphOf = (name: string): Graph => {
  if (failures.has(name)) throw new Error(`${name} was not explored`, { cause: failures.get(name) });
  failures.set(name, "it did not end");
  const graph = graphs.get(name) ?? explore(specOf(name));
  failures.delete(name);
  graphs.set(name, graph);
  return graph;
};
const pathsOf = (states: readonly ReachedState[]): readonly string[] => [...new Set(states.map((state) => state.path))];
const liveStates = (graph: Graph): ReachedState[] => [...graph.states.values()].filter((state) => !state.isDone);
const isAnswering = (state: ReachedState): boolean =>
  state.isDone || state.tags.has("mock") || state.tags.has("servable");

/** A state with an unguarded eventless transition is never seen from outside. */
const isLeftAtOnce = (node: AnyStateNode): boolean =>
  (node.always ?? []).some((transition) => transition.guard === undefined);

describe.each(machines)("every reachable state of $name", ({ name, machine }) => {
  it("is among few enough to look at all of them", { timeout: 180_000 }, () => {
    expect(graphOf(name).states.size).toBeGreaterThan(3);
  });
  it("covers every leaf state of the chart", () => {
    const leaves = (node: typeof machine.root): string[] => {
      const children = Object.values(node.states);
      return children.length > 0 ? children.flatMap(leaves) : isLeftAtOnce(node) ? [] : [node.path.join(".")];
    };
    const reached = new Set([...graphOf(name).states.values()].map((state) => state.path));
    expect(leaves(machine.root).filter((leaf) => !reached.has(leaf))).toEqual([]);
  });
  it("has a way out, by an event or in time", () => {
    const graph = graphOf(name);
    const left = new Set(graph.edges.filter((edge) => edge.from !== edge.to).map((edge) => edge.from));
    expect(pathsOf(liveStates(graph).filter((state) => !left.has(state.key)))).toEqual([]);
  });
  it("has a way out in time, unless resting is right", () => {
    const resting = specOf(name).restsIn ?? [];
    expect(
      pathsOf(liveStates(graphOf(name)).filter((state) => !state.hasTimedWayOut && !resting.includes(state.path))),
    ).toEqual([]);
  });
  it("can get to each state that it owes, without a person", () => {
    const graph = graphOf(name);
    const { staysReachable, mayEnd = false } = specOf(name);
    for (const tag of staysReachable) {
      const reaching = canReach(
        graph,
        (state) => state.tags.has(tag) || (mayEnd && state.isDone),
        (edge) => !edge.isOperator,
      );
      expect(
        pathsOf(liveStates(graph).filter((state) => !reaching.has(state.key))),
        `states that never get to ${tag}`,
      ).toEqual([]);
    }
  });
  it("keeps the promises of its machine", () => {
    const { problemsOf } = specOf(name);
    const problems = [...graphOf(name).states.values()].flatMap((state) =>
      (problemsOf?.(state) ?? []).map((problem) => `${state.path}: ${problem}`),
    );
    expect([...new Set(problems)]).toEqual([]);
  });
});

describe("recovery", () => {
  it("cannot go round in circles between its steps: in boundedly many events somebody answers again", () => {
    const ways = longestWay(
      graphOf("recovery"),
      (state) => !isAnswering(state),
      (edge) => !edge.isOperator,
    );
    expect(ways).not.toBeNull();
    expect(ways).toBeLessThanOrEqual(20);
  });
  it("comes to an answering state by time alone, when nothing ever replies", () => {
    const graph = graphOf("recovery");
    const reaching = canReach(graph, isAnswering, (edge) => edge.isTimed);
    // Measured trouble, an operator's question and one about a job's failure never interrupt a job: such a wait lasts as
    // long as the job in hand, which the pipeline ends in time.
    const isPatient = ({ path, context }: ReachedState): boolean => {
      const { isExperimentDue, origin, hasProvenFailure } = context;
      const isAsked = origin === "health" || origin === "manual" || origin === "forced";
      return path === "diagnosing" && (isExperimentDue === true || (isAsked && hasProvenFailure === false));
    };
    const waiting = liveStates(graph).filter((state) => !reaching.has(state.key) && !isPatient(state));
    expect(pathsOf(waiting)).toEqual([]);
  });
});

describe("the explorer", () => {
  const toy = setup({
    guards: { isLate: ({ context }) => explorationClock.nowMs() >= (context as { dueAtMs: number }).dueAtMs },
  }).createMachine({
    id: "toy",
    initial: "start",
    context: { dueAtMs: explorationClock.startMs + 60_000 },
    states: {
      start: { on: { go: [{ guard: "isLate", target: "trap" }, { target: "ring" }] } },
      ring: { tags: ["servable"], on: { go: { target: "otherRing" } } },
      otherRing: { on: { go: { target: "ring" } } },
      trap: {},
    },
  });
  const spec: Exploration = {
    machine: toy,
    inputs: [{}],
    events: [{ type: "go" }],
    outputs: {},
    omit: [],
    staysReachable: [],
  };
  const pathsWithout = (graph: Graph, keys: ReadonlySet<string>): readonly string[] =>
    pathsOf(liveStates(graph).filter((state) => !keys.has(state.key)));
  it("finds a state that nothing leaves, also behind a guard that only time opens", () => {
    const graph = explore(spec);
    expect(
      pathsWithout(graph, new Set(graph.edges.filter((edge) => edge.from !== edge.to).map((edge) => edge.from))),
    ).toEqual(["trap"]);
  });
  it("finds states from which a tag cannot be reached, and rings", () => {
    const graph = explore(spec);
    expect(
      pathsWithout(
        graph,
        canReach(graph, (state) => state.tags.has("servable")),
      ),
    ).toEqual(["trap"]);
    expect(
      longestWay(
        graph,
        () => true,
        () => true,
      ),
    ).toBeNull();
    expect(
      longestWay(
        graph,
        (state) => state.path !== "ring",
        () => true,
      ),
    ).toBe(1);
  });
  it("refuses to call a machine explored whose actor's outputs it was not given", () => {
    const asking = setup({ actors: { ask: fromPromise(async () => 1) } }).createMachine({
      id: "asking",
      initial: "waiting",
      states: { waiting: { invoke: { src: "ask", onDone: { target: "over" } } }, over: {} },
    });
    expect(() => explore({ ...spec, machine: asking })).toThrow("no outputs for the actor ask");
  });
});

afterAll(() => {
  const rows = [...graphs].map(
    ([name, { states, edges, seconds }]) =>
      `${name}: ${states.size} states, ${edges.length} edges, ${seconds.toFixed(1)} s`,
  );
  console.info([`explored with ${JSON.stringify(bounds)}`, ...rows].join("\n  "));
});
