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
const smallTest: CircuitBreakerEvent = { type: "canary.passed", workerId, size: "canary", what: "a small test render" };
const jobSizeTest: CircuitBreakerEvent = { type: "canary.passed", workerId, size: "job", what: "denoise of a clip" };
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

/** Three repairs within ten minutes. */
const flapping: readonly CircuitBreakerEvent[] = [...repaired("i1"), ...repaired("i2"), ...repaired("i3")];

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
  it("opens at the third repair and asks for one test render after 60 s", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(...repaired("i1"), ...repaired("i2"));
    expect(is("closed")).toBe(true);
    send(...repaired("i3"));
    expect(is("open")).toBe(true);
    expect(parent.ofType("breaker.opened")[0]?.untilMs).toBe(clock.nowMs() + 60_000);
    await clock.advance(59_999);
    expect(is("open")).toBe(true);
    await clock.advance(1);
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
  });
  it("closes after a test render of a job's size, and says so", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(...flapping);
    await clock.advance(60_000);
    send(jobEnded(true));
    expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
    send(jobSizeTest);
    expect(is("closed")).toBe(true);
    expect(parent.ofType("breaker.closed").at(-1)?.because).toBe("denoise of a clip passed");
    expect(parent.types().slice(-3)).toEqual(["breaker.opened", "breaker.halfOpened", "breaker.closed"]);
  });
  it("closes after a small test render and one job where no size is known", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(...flapping);
    await clock.advance(60_000);
    send(smallTest, jobEnded(false));
    expect(is({ halfOpen: "awaitingJob" })).toBe(true);
    send(jobEnded(true));
    expect(is("closed")).toBe(true);
    expect(parent.ofType("breaker.closed").at(-1)?.because).toBe("one job was rendered");
    expect(parent.types().slice(-4)).toEqual([
      "breaker.opened",
      "breaker.halfOpened",
      "breaker.trusted",
      "breaker.closed",
    ]);
  });
  it("closes after a small test render when no job comes for ten minutes, and counts repairs as before", async () => {
    const { clock, parent, send, is } = startBreaker();
    send(...flapping);
    await clock.advance(60_000);
    send(smallTest);
    await clock.advance(10 * 60_000 - 1);
    expect(is({ halfOpen: "awaitingJob" })).toBe(true);
    await clock.advance(1);
    expect(is("closed")).toBe(true);
    expect(parent.ofType("breaker.closed").at(-1)?.because).toBe("a small test render passed, and no job came");
    send(...repaired("i4"));
    expect(is("closed")).toBe(true);
  });
  it("waits twice as long each time, up to thirty minutes, while no test render answers", async () => {
    const { clock, parent, send, is } = startBreaker();
    const waits: number[] = [];
    parent.onReport = (report) => {
      if (report.type === "breaker.opened") waits.push((report.untilMs - clock.nowMs()) / 1_000);
    };
    send(...flapping);
    for (let count = 0; count < 6; count += 1) {
      await clock.advanceUntil(() => is("halfOpen"), 1_800_000);
      await clock.advance(20 * 60_000 - 1);
      expect(is({ halfOpen: "awaitingCanary" })).toBe(true);
      await clock.advance(1);
    }
    expect(waits).toEqual([60, 120, 240, 480, 960, 1_800, 1_800]);
  });
  it("is asked nothing while an incident holds it, and closes without a word when that is resolved", () => {
    const { parent, send, is } = startBreaker();
    send(hold("i1"), jobSizeTest, jobEnded(true));
    expect(is("held")).toBe(true);
    send(release("i1", true));
    expect(is("closed")).toBe(true);
    expect(parent.ofType("breaker.closed")).toMatchObject([{ because: "" }]);
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
    send(smallTest, jobEnded(true));
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
    send(smallTest, ...repaired("i4"));
    await clock.advance(120_000);
    send(smallTest, jobEnded(true));
    expect(is("closed")).toBe(true);
    send(...repaired("i5"));
    expect(waits).toEqual([1, 2, 4]);
    await clock.advance(4 * 60_000);
    send(smallTest, jobEnded(true));
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
    send(smallTest, jobEnded(true), ...repaired("i4"));
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
});
