import { createActor, createMachine } from "xstate";
import { createSystemClock } from "../src/core/clock.ts";
import { silentLogger } from "../src/telemetry/logger.ts";
import { createTransitionSubscriber, type TransitionFrame } from "../src/telemetry/transitions.ts";
import { type BenchResult, medianOf } from "./result.ts";

const machine = createMachine({
  id: "turnstile",
  initial: "locked",
  states: { locked: { tags: ["busy"], on: { coin: "unlocked" } }, unlocked: { tags: ["servable"], on: { push: "locked" } } },
});
const events = [{ type: "coin" }, { type: "push" }];
const eventCount = 100_000;
const rounds = 5;

/** Transitions a second with our one subscriber (thin frames, row buffer in memory, log level warn) against XState alone. */
export async function benchEvents(): Promise<BenchResult[]> {
  const clock = createSystemClock();
  const rows: TransitionFrame[] = [];
  const subscriber = createTransitionSubscriber({
    logger: silentLogger,
    nowMs: clock.nowMs,
    isRecorded: () => false,
    note: (frame) => {
      rows.push(frame);
      if (rows.length >= 200) rows.length = 0;
    },
  });
  const perSecond = (isInspected: boolean): number => {
    const actor = createActor(machine, isInspected ? { inspect: subscriber.inspect } : {});
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
