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
const release = (incidentId: string, isResolved: boolean): CircuitBreakerEvent => ({
  type: "breaker.release",
  workerId,
  incidentId,
  isResolved,
});

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
    expect(parent.types()).toEqual(["breaker.opened", "breaker.halfOpened", "breaker.closed"]);
  });
  it("doubles its wait up to ten minutes while the test render fails", async () => {
    const { clock, parent, send, is } = startBreaker();
    const waits: number[] = [];
    parent.onReport = (report) => {
      if (report.type === "breaker.opened") waits.push((report.untilMs - clock.nowMs()) / 1_000);
    };
    send(fault, fault, fault);
    for (let count = 0; count < 5; count += 1) {
      await clock.advanceUntil(() => is("halfOpen"), 600_000);
      send({ type: "canary.failed", workerId });
    }
    expect(waits).toEqual([60, 120, 240, 480, 600, 600]);
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
