import { afterEach, describe, expect, it } from "vitest";
import { classify } from "../../src/recovery/classify.ts";
import { type Incident, openIncident } from "./recovery-harness.ts";

let running: Incident | undefined;
afterEach(() => running?.actor.stop());
const open = (...args: Parameters<typeof openIncident>): Incident => {
  running = openIncident(...args);
  return running;
};
const fault = classify({ message: "odd" });

describe("looking back", () => {
  it("resolves the incident by itself when the fault has gone", async () => {
    const incident = open("network_error");
    await incident.until(() => incident.is("standingIn"));
    incident.world.isBroken = false;
    expect(await incident.until(() => incident.actor.getSnapshot().status === "done", 120_000)).toBe(true);
  });
  it("comes after 30 s, doubles, and never waits longer than ten minutes", async () => {
    const incident = open("network_error", { limits: { climbCount: 1 } });
    const entries: number[] = [];
    const waits: number[] = [];
    incident.actor.subscribe({
      next: (snapshot) => {
        if (snapshot.matches("probing") && entries.length > waits.length)
          waits.push(Math.round((incident.clock.nowMs() - (entries.at(-1) ?? 0)) / 1_000));
        if ((snapshot.matches("standingIn") || snapshot.matches("exhausted")) && entries.length === waits.length)
          entries.push(incident.clock.nowMs());
      },
      error: () => undefined,
    });
    await incident.clock.advance(3_600_000);
    expect(waits.slice(0, 7)).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });
  it("climbs again after a failed look, at most three times, and then only looks", async () => {
    const incident = open("network_error");
    await incident.clock.advance(4 * 3_600_000);
    expect(incident.is("exhausted") || incident.is("probing")).toBe(true);
    expect(incident.parent.ofType("climb.ended")).toHaveLength(3);
    expect(incident.world.performed).toHaveLength(3);
    expect(incident.parent.ofType("incident.exhausted")).toHaveLength(1);
    // Whoever needs a person does not call itself standing in again.
    const types = incident.parent.types();
    expect(types.lastIndexOf("incident.stoodIn")).toBeLessThan(types.indexOf("incident.exhausted"));
    incident.world.isBroken = false;
    expect(await incident.until(() => incident.actor.getSnapshot().status === "done", 900_000)).toBe(true);
  });
  it("climbs anew after an operator's reset, as often as before it", async () => {
    const incident = open("network_error");
    await incident.until(() => incident.is("exhausted"), 4 * 3_600_000);
    const climbs = () => incident.parent.ofType("climb.ended").length;
    expect(climbs()).toBe(3);
    incident.actor.send({ type: "recovery.reset" });
    expect(incident.is("probing")).toBe(true);
    await incident.clock.advance(4 * 3_600_000);
    expect(climbs()).toBe(6);
    expect(incident.parent.ofType("incident.exhausted")).toHaveLength(2);
  });
  it("a reset ends its cooldown, and keeps the climb under way", async () => {
    const waiting = open("network_error", { cooldownUntilMs: 1_760_000_000_000 + 3_600_000 });
    waiting.actor.send({ type: "recovery.reset" });
    await waiting.clock.advance(2_000);
    expect(waiting.actor.getSnapshot().context.climbCount).toBe(1);
    await waiting.until(() => waiting.actor.getSnapshot().context.climbCount === 2, 600_000);
    const state = waiting.actor.getSnapshot().value;
    waiting.actor.send({ type: "recovery.reset" });
    expect(waiting.actor.getSnapshot().value).toEqual(state);
    expect(waiting.actor.getSnapshot().context).toMatchObject({
      climbCount: 2,
      forgivenClimbCount: 1,
      isClimbing: true,
    });
  });
  it("a reset looks at once while a stand-in serves", async () => {
    const incident = open("network_error");
    await incident.until(() => incident.is("standingIn"));
    incident.world.isBroken = false;
    incident.actor.send({ type: "recovery.reset" });
    expect(incident.is("probing")).toBe(true);
    await incident.clock.advance(2_000);
    expect(incident.is("returning")).toBe(true);
  });
  it("does not climb before the budget's window opens again", async () => {
    const incident = open("network_error", {}, { isBudgetSpent: true });
    await incident.until(() => incident.is("standingIn"));
    await incident.clock.advance(500_000);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
    incident.world.isBudgetSpent = false;
    await incident.clock.advance(1_200_000);
    expect(incident.world.performed.length).toBeGreaterThan(0);
  });
  it("does not start a climb for a fault that joins inside the cooldown", async () => {
    const incident = open("network_error");
    await incident.until(() => incident.is("standingIn"));
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    expect(incident.is("standingIn")).toBe(true);
    expect(incident.parent.ofType("cooldown.started")[0]?.untilMs).toBeGreaterThan(incident.clock.nowMs());
  });
});

describe("after a restart of the service", () => {
  it("keeps the absolute deadline of the next look", async () => {
    const untilMs = 1_760_000_000_000 + 45_000;
    const incident = open("network_error", {
      resume: { kind: "standingIn", untilMs, climbCount: 2, lookBackCount: 3 },
    });
    await incident.clock.advance(44_999);
    expect(incident.is("standingIn")).toBe(true);
    await incident.clock.advance(1);
    expect(incident.is("probing")).toBe(true);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(2);
  });
  it("asks for a test render inside the cooldown that another incident left, and climbs only after it", async () => {
    const incident = open("network_error", { cooldownUntilMs: 1_760_000_000_000 + 20_000 });
    await incident.until(() => incident.is("standingIn"));
    expect(incident.parent.ofType("canary.failed")).toHaveLength(1);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(0);
    await incident.clock.advance(35_000);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
  });
  it("stops nobody inside a cooldown while a test render passes", async () => {
    const incident = open("network_error", { cooldownUntilMs: 1_760_000_000_000 + 20_000 }, { isBroken: false });
    await incident.until(() => incident.is("returning"));
    expect(incident.clock.nowMs()).toBeLessThan(1_760_000_000_000 + 5_000);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it("looks at once when the deadline passed while the service was down", async () => {
    const incident = open(
      "network_error",
      { resume: { kind: "exhausted", untilMs: 1, climbCount: 3, lookBackCount: 5 } },
      { isBroken: false },
    );
    await incident.until(() => incident.is("probing"), 600_000);
    await incident.until(() => incident.is("returning"), 5_000);
    expect(incident.is("returning")).toBe(true);
  });
});
