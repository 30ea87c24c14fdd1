/**
 * Measures what observing the machines costs: transitions a second with the one subscriber that feeds log, rows and
 * streams, against XState without any. Nothing touches a disk on either side.
 */
import { createActor, createMachine } from "xstate";
import { type Clock, createSystemClock } from "../src/core/clock.ts";
import type { EventRow } from "../src/core/events.ts";
import type { Database } from "../src/store/database.ts";
import { createEventLog } from "../src/store/event-log.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { createMachineTracker } from "../src/telemetry/machine-tracker.ts";
import { createTransitionSubscriber } from "../src/telemetry/transitions.ts";
import { type BenchResult, medianOf } from "./result.ts";

const machine = createMachine({
  id: "turnstile",
  initial: "locked",
  states: {
    locked: { tags: ["busy"], on: { coin: "unlocked" } },
    unlocked: { tags: ["servable"], on: { push: "locked" } },
  },
});
const events = [{ type: "coin" }, { type: "push" }];
const eventCount = 30_000;
const rounds = 9;

/** Takes the rows that the buffer of the event log hands over, and keeps the last batch: the peer has no disk either. */
function createMemorySink(clock: Clock): Database {
  let batch: { readonly row: EventRow; readonly text: string }[] = [];
  let seq = 0;
  return {
    clock,
    write: (work) => {
      batch = [];
      return work();
    },
    read: (work) => work(),
    record: (
      { kind, actor = "service", jobId = null, incidentId = null, workerId = null, data },
      atMs = clock.nowMs(),
    ) => {
      seq += 1;
      const row = { seq, atMs, kind, actor, jobId, incidentId, workerId, data } as EventRow;
      batch.push({ row, text: JSON.stringify(data) });
      return row;
    },
    get: () => undefined,
    all: () => [],
    run: () => 0,
    subscribe: () => () => undefined,
    beforeClose: () => undefined,
    project: () => undefined,
    close: () => undefined,
  };
}

/**
 * Transitions a second with the one subscriber of the service (frames and row buffer on, sinks in memory, log level
 * warn) against XState alone.
 */
export async function benchEvents(): Promise<BenchResult[]> {
  const clock = createSystemClock();
  const log = createEventLog(createMemorySink(clock));
  const tracker = createMachineTracker(clock.nowMs);
  tracker.subscribe(() => undefined);
  const { inspect } = createTransitionSubscriber({
    logger: createLogger({ level: "warn", nowMs: clock.nowMs }),
    nowMs: clock.nowMs,
    isRecorded: () => false,
    note: ({ actor, from, to, event, tags }) =>
      log.note({ kind: "machine.transitioned", data: { actor, from, to, event, tags } }),
    tracker,
    stately: null,
  });
  const perSecond = (isInspected: boolean): number => {
    const actor = createActor(machine, isInspected ? { inspect } : {});
    actor.subscribe({ error: (thrown) => Promise.reject(thrown) });
    actor.start();
    const startedAtMs = clock.nowMs();
    for (let index = 0; index < eventCount; index += 1) actor.send(events[index % 2] as (typeof events)[number]);
    const tookMs = Math.max(1, clock.nowMs() - startedAtMs);
    actor.stop();
    return (eventCount / tookMs) * 1_000;
  };
  perSecond(false);
  perSecond(true);
  const pairs = Array.from({ length: rounds }, () => ({ raw: perSecond(false), inspected: perSecond(true) }));
  await log.flush();
  clock.stop();
  const raw = medianOf(pairs.map((pair) => pair.raw));
  const inspected = medianOf(pairs.map((pair) => pair.inspected));
  return [
    {
      what: "machine events with inspection / raw XState",
      value: medianOf(pairs.map((pair) => pair.inspected / pair.raw)),
      unit: "",
      limit: { kind: "atLeast", value: 0.5 },
      detail: `${Math.round(inspected / 1_000)} k/s against ${Math.round(raw / 1_000)} k/s, median of ${rounds}`,
    },
  ];
}
