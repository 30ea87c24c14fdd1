import { describe, expect, it } from "vitest";
import { LoadGate } from "../../../src/app/models/load-gate.ts";
import { gibibyte } from "../../../src/core/units.ts";

const never = new AbortController().signal;
const gateWith = (freeGib: number | null) =>
  new LoadGate({ measureFreeBytes: async () => (freeGib === null ? null : freeGib * gibibyte) });

/** How it stands with an entry, after everything that can happen has happened. */
async function standing(entry: Promise<unknown>): Promise<"in" | "waiting"> {
  const turns = (async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return "waiting" as const;
  })();
  return Promise.race([entry.then(() => "in" as const), turns]);
}

describe("the gate of loads", () => {
  it("lets the first load begin, however little is free", async () => {
    expect(await standing(gateWith(1).enter(60 * gibibyte, never))).toBe("in");
  });

  it("lets two begin together that both fit", async () => {
    const gate = gateWith(130);
    await gate.enter(60 * gibibyte, never);
    expect(await standing(gate.enter(60 * gibibyte, never))).toBe("in");
  });

  it.each([
    ["too little is free", 100],
    ["nobody can say what is free", null],
  ] as const)("holds the second back where %s, until the first has ended", async (_why, free) => {
    const gate = gateWith(free);
    const leave = await gate.enter(60 * gibibyte, never);
    const second = gate.enter(60 * gibibyte, never);
    expect(await standing(second)).toBe("waiting");
    leave();
    expect(await standing(second)).toBe("in");
  });

  it("of two that come in the same moment lets one begin", async () => {
    const gate = gateWith(100);
    const both = [gate.enter(60 * gibibyte, never), gate.enter(60 * gibibyte, never)];
    expect(await Promise.all(both.map(standing))).toEqual(["in", "waiting"]);
  });

  it("lets go of whoever gives up, and keeps its place for nobody", async () => {
    const gate = gateWith(100);
    const leave = await gate.enter(60 * gibibyte, never);
    const giveUp = new AbortController();
    const second = gate.enter(60 * gibibyte, giveUp.signal);
    await standing(second);
    giveUp.abort();
    await expect(second).rejects.toBe(giveUp.signal.reason);
    leave();
    expect(await standing(gate.enter(60 * gibibyte, never))).toBe("in");
  });

  it("never holds back what needs no memory of the host", async () => {
    const gate = gateWith(0);
    await gate.enter(60 * gibibyte, never);
    expect(await standing(gate.enter(0, never))).toBe("in");
  });
});
