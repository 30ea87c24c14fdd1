import { afterEach, describe, expect, it } from "vitest";
import { type Actor, createActor } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { circuitBreakerMachine } from "../../src/machines/circuit-breaker.machine.ts";
import type {
  CircuitBreakerEvent,
  CircuitBreakerInput,
  CircuitBreakerReport,
} from "../../src/machines/circuit-breaker-types.ts";
import { createListeningParent } from "./listening-parent.ts";

let running: Actor<typeof circuitBreakerMachine> | undefined;
afterEach(() => running?.stop());

const workerId = "w0";
const fault: CircuitBreakerEvent = { type: "fault.counted", workerId, attribution: "worker" };
const jobEnded = (isSuccessful: boolean): CircuitBreakerEvent => ({ type: "job.ended", workerId, isSuccessful });
const hold = (incidentId: string): CircuitBreakerEvent => ({ type: "breaker.hold", workerId, incidentId });
const release = (incidentId: string, isResolved: boolean, isRepair = false): CircuitBreakerEvent => ({
  type: "breaker.release",
  workerId,
  incidentId,
  isResolved,
  isRepair,
});
const repaired = (incidentId: string): readonly CircuitBreakerEvent[] => [
  hold(incidentId),
  release(incidentId, true, true),
];

function startBreaker(input: Partial<CircuitBreakerInput> = {}) {
  const clock = createVirtualClock();
  const parent = createListeningParent<CircuitBreakerReport>();
  const actor = createActor(circuitBreakerMachine, {
    clock: toActorClock(clock),
    input: { workerId, parent: parent.ref, clock, ...input },
  }).start();
  running = actor;
  const send = (...events: CircuitBreakerEvent[]): void => {
    for (const event of events) actor.send(event);
  };
  return {
    actor,
    clock,
    parent,
    send,
    is: (state: Parameters<ReturnType<typeof actor.getSnapshot>["matches"]>[0]) => actor.getSnapshot().matches(state),
  };
}

describe("the circuit breaker", () => {
  it("opens at the third fault in a row and lets one test render through after 60 s", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(fault, fault);
    expect(is("closed")).toBe(true);
    send(fault);
    expect(is("open")).toBe(true);
    expect(parent.ofType("breaker.opened")[0]?.untilMs).toBe(clock.nowMs() + 60_000);
    await clock.advance(59_999);
    expect(is("open")).toBe(true);
    await clock.advance(1);
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
  });
  it("forgets faults when a job succeeds between them", () => {
    const { send, is } = startBreaker();
    send(fault, fault, jobEnded(true), fault, fault);
    expect(is("closed")).toBe(true);
  });
  it.each(["request", "host", "network", "configuration"] as const)("never counts a fault of the %s", (attribution) => {
    const { send, is } = startBreaker();
    for (let count = 0; count < 10; count += 1) send({ type: "fault.counted", workerId, attribution });
    expect(is("closed")).toBe(true);
  });
  it("does not open at a fault of the worker for what was not its own before", () => {
    const { send, is } = startBreaker();
    const ofHost: CircuitBreakerEvent = { type: "fault.counted", workerId, attribution: "host" };
    send(ofHost, ofHost, fault);
    expect(is("closed")).toBe(true);
  });
  it("remembers faults over a job that failed", () => {
    const { send, is } = startBreaker();
    send(fault, fault, jobEnded(false), fault);
    expect(is("open")).toBe(true);
  });
  it("opens at once when the test render or the job after it fails, and not for what is the request's own fault", async () => {
    const { clock, send, is } = startBreaker();
    send(fault, fault, fault);
    await clock.advance(60_000);
    send({ type: "canary.failed", workerId });
    expect(is("open")).toBe(true);
    await clock.advance(120_000);
    send(
      { type: "canary.passed", workerId },
      { type: "fault.counted", workerId, attribution: "request" },
      jobEnded(false),
    );
    expect(is({ halfOpen: "awaitingJob" })).toBe(true);
    send(fault);
    expect(is("open")).toBe(true);
  });
  it("closes after one test render and one job", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(fault, fault, fault);
    await clock.advance(60_000);
    send({ type: "canary.passed", workerId });
    expect(is({ halfOpen: "awaitingJob" })).toBe(true);
    send(jobEnded(true));
    expect(is("closed")).toBe(true);
    expect(parent.types()).toEqual(["breaker.opened", "breaker.halfOpened", "breaker.trusted", "breaker.closed"]);
  });
  it("doubles its wait up to thirty minutes while the test render fails", async () => {
    const { clock, parent, send, is } = startBreaker();
    const waits: number[] = [];
    parent.onReport = (report) => {
      if (report.type === "breaker.opened") waits.push((report.untilMs - clock.nowMs()) / 1_000);
    };
    send(fault, fault, fault);
    for (let count = 0; count < 6; count += 1) {
      await clock.advanceUntil(() => is("halfOpen"), 1_800_000);
      send({ type: "canary.failed", workerId });
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1_800, 1_800]);
  });
  it("opens again when the test render gives no answer", async () => {
    const { clock, send, is } = startBreaker();
    send(fault, fault, fault);
    await clock.advance(60_000 + 5 * 60_000);
    expect(is("open")).toBe(true);
  });
  it("does not count while an incident holds it, and closes when the incident is resolved", () => {
    const { send, is } = startBreaker();
    send(hold("i1"), fault, fault, fault, { type: "canary.failed", workerId });
    expect(is("held")).toBe(true);
    send(release("i1", true));
    expect(is("closed")).toBe(true);
  });
  it("stays held until the last of two incidents releases it", () => {
    const { send, is } = startBreaker();
    send(hold("i1"), hold("i2"), release("i1", true));
    expect(is("held")).toBe(true);
    send(release("i2", true));
    expect(is("closed")).toBe(true);
  });
  it("asks for a test render when an incident ends unresolved", () => {
    const { send, is } = startBreaker();
    send(hold("i1"), release("i1", false));
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
  });
  it("is not held for ever by an incident that was lost", async () => {
    const { clock, send, is } = startBreaker({ limits: { holdMs: 1_000 } });
    send(hold("i1"));
    await clock.advance(900);
    send(hold("i1"));
    await clock.advance(900);
    expect(is("held")).toBe(true);
    await clock.advance(100);
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
  });
  it("opens for a minute when the third incident in ten minutes ends repaired, and says why", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(...repaired("i1"), ...repaired("i2"), jobEnded(true));
    expect(is("closed")).toBe(true);
    await clock.advance(9 * 60_000);
    send(...repaired("i3"));
    expect(is("open")).toBe(true);
    expect(parent.ofType("breaker.opened")).toMatchObject([
      { untilMs: clock.nowMs() + 60_000, because: "it was repaired again and again within minutes" },
    ]);
    await clock.advance(60_000);
    send({ type: "canary.passed", workerId }, jobEnded(true));
    expect(is("closed")).toBe(true);
  });
  it("counts no incident in which nothing was repaired, and none that is older than ten minutes", async () => {
    const { clock, send, is } = startBreaker();
    for (const id of ["i1", "i2", "i3", "i4"]) send(hold(id), release(id, true, false));
    expect(is("closed")).toBe(true);
    for (const id of ["i1", "i2", "i3", "i4"]) {
      send(...repaired(id));
      await clock.advance(5 * 60_000);
    }
    expect(is("closed")).toBe(true);
  });
  it("waits twice as long when it needs another repair on its trial, and after it soon", async () => {
    const { clock, parent, send, is } = startBreaker();
    const waits: number[] = [];
    parent.onReport = (report) => {
      if (report.type === "breaker.opened") waits.push((report.untilMs - clock.nowMs()) / 60_000);
    };
    send(...repaired("i1"), ...repaired("i2"), ...repaired("i3"));
    await clock.advance(60_000);
    send({ type: "canary.passed", workerId }, ...repaired("i4"));
    await clock.advance(120_000);
    send({ type: "canary.passed", workerId }, jobEnded(true));
    expect(is("closed")).toBe(true);
    send(...repaired("i5"));
    expect(waits).toEqual([1, 2, 4]);
    await clock.advance(4 * 60_000);
    send({ type: "canary.passed", workerId }, jobEnded(true));
    await clock.advance(60 * 60_000);
    send(...repaired("i6"), ...repaired("i7"), ...repaired("i8"));
    expect(waits).toEqual([1, 2, 4, 1]);
  });
  it("is not closed by an incident that held it while it was open, and opens for the last of two", async () => {
    const { send, is } = startBreaker();
    send(...repaired("i1"), ...repaired("i2"), ...repaired("i3"));
    send(hold("i4"), release("i4", true, false));
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
    const other = startBreaker();
    other.send(hold("i1"), hold("i2"), hold("i3"), release("i1", true, true), release("i2", true, true));
    expect(other.is("held")).toBe(true);
    other.send(release("i3", true, true));
    expect(other.is("open")).toBe(true);
  });
  it("is tried at once after an operator's reset, and what was is forgotten", () => {
    const { send, is } = startBreaker();
    send(...repaired("i1"), ...repaired("i2"), ...repaired("i3"), { type: "breaker.reset" });
    expect(is("halfOpen")).toBe(true);
    send({ type: "canary.passed", workerId }, jobEnded(true), ...repaired("i4"));
    expect(is("closed")).toBe(true);
  });
  it("goes on waiting until its absolute deadline after a restart of the service", async () => {
    const untilMs = createVirtualClock().nowMs() + 5_000;
    const { clock, is } = startBreaker({ resume: { untilMs, openingCount: 2 } });
    expect(is("open")).toBe(true);
    await clock.advance(4_999);
    expect(is("open")).toBe(true);
    await clock.advance(1);
    expect(is("halfOpen")).toBe(true);
  });
  it("opens at the very next fault after it trusted the test render without a job", async () => {
    const { clock, send, is } = startBreaker();
    send(fault, fault, fault);
    await clock.advance(60_000);
    send({ type: "canary.passed", workerId });
    await clock.advance(10 * 60_000);
    expect(is("closed")).toBe(true);
    send(fault);
    expect(is("open")).toBe(true);
  });
});
