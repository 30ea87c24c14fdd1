import { expect, it } from "vitest";
import { createStreams, type StreamSources } from "../../../src/app/status/streams.ts";
import type { RungResult } from "../../../src/core/fault.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import type { StreamFrame } from "../../../src/server/server-ports.ts";
import { workerId } from "../app-world.ts";

/** Sources that tell what a test says. */
function createSources() {
  let tellFact: (fact: SupervisorFact) => void = () => undefined;
  let tellQueue: () => void = () => undefined;
  let stepListeners = 0;
  let sentence = "A video submitted now is kept.";
  const clock = createVirtualClock();
  const sources: StreamSources = {
    onFact: (listener) => {
      tellFact = listener;
    },
    onDownload: () => undefined,
    onSample: () => undefined,
    onProgress: () => undefined,
    onStep: () => {
      stepListeners += 1;
      return () => {
        stepListeners -= 1;
      };
    },
    onQueue: (listener) => {
      tellQueue = listener;
    },
    clock,
    status: () => ({ mode: "ready", sentence, health: null }),
  };
  const frames: StreamFrame[] = [];
  const streams = createStreams(sources);
  return {
    streams,
    frames,
    clock,
    tell: (fact: SupervisorFact) => tellFact(fact),
    /** The queue is another one, and with it the sentence. */
    queue: (said: string) => {
      sentence = said;
      tellQueue();
    },
    stepListeners: () => stepListeners,
  };
}

const result: RungResult = {
  action: "clear_gpu_cache",
  outcome: "effective",
  reason: "10.0 GiB were freed",
  evidence: null,
  startedAtMs: 1,
  endedAtMs: 2,
};
const rung = (outcome: RungResult["outcome"]): SupervisorFact => ({
  type: "rung.ended",
  id: "incident-1",
  workerId,
  failureType: "vram_exhaustion",
  climb: 1,
  result: { ...result, outcome },
});

it("a rung that was tried is told, and one that was passed over is not", () => {
  const { streams, frames, tell } = createSources();
  streams.subscribe((frame) => frames.push(frame));
  tell(rung("skipped"));
  tell(rung("ineffective"));
  expect(frames).toMatchObject([
    {
      kind: "recoveryAttempt",
      attempt: { action: "clear_gpu_cache", outcome: "ineffective", incidentId: "incident-1" },
    },
  ]);
});

it("a mode is told with the sentence of the moment, and what is only a row is not told", () => {
  const { streams, frames, tell } = createSources();
  streams.subscribe((frame) => frames.push(frame));
  tell({ type: "mode.changed", from: "ready", to: "mock" });
  tell({ type: "intake.resumed", by: "operator:a" });
  expect(frames).toEqual([{ kind: "mode", mode: "mock", sentence: "A video submitted now is kept." }]);
});

it("steps of machines are followed only while somebody listens", () => {
  const { streams, stepListeners } = createSources();
  expect(stepListeners()).toBe(0);
  const leaves = [streams.subscribe(() => undefined), streams.subscribe(() => undefined)];
  expect(stepListeners()).toBe(1);
  for (const leave of [...leaves, ...leaves]) leave();
  expect(stepListeners()).toBe(0);
  streams.subscribe(() => undefined);
  expect(stepListeners()).toBe(1);
});

const sentences = (frames: readonly StreamFrame[]): string[] =>
  frames.flatMap((frame) => (frame.kind === "sentence" ? [frame.sentence] : []));

it("a sentence that changes with the queue is told, a burst of changes once, and the same one not again", async () => {
  const { streams, frames, clock, queue } = createSources();
  streams.subscribe((frame) => frames.push(frame));
  for (let count = 1; count <= 40; count += 1) queue(`after about ${count} before it`);
  expect(sentences(frames)).toEqual([]);
  await clock.advance(500);
  expect(frames).toEqual([{ kind: "sentence", mode: "ready", sentence: "after about 40 before it" }]);
  queue("after about 40 before it");
  await clock.advance(500);
  expect(sentences(frames)).toHaveLength(1);
  queue("at once");
  await clock.advance(500);
  expect(sentences(frames)).toEqual(["after about 40 before it", "at once"]);
});

it("whoever comes later is told what changed since then, also back to what was told before", async () => {
  const { streams, frames, clock, queue } = createSources();
  const leave = streams.subscribe(() => undefined);
  queue("at once");
  await clock.advance(500);
  leave();
  queue("after about 2 before it");
  await clock.advance(500);
  streams.subscribe((frame) => frames.push(frame));
  queue("at once");
  await clock.advance(500);
  expect(sentences(frames)).toEqual(["at once"]);
});

it("what a change of mode has told already is not told again", async () => {
  const { streams, frames, clock, queue, tell } = createSources();
  streams.subscribe((frame) => frames.push(frame));
  queue("at once");
  tell({ type: "mode.changed", from: "recovering", to: "ready" });
  await clock.advance(500);
  expect(frames).toEqual([{ kind: "mode", mode: "ready", sentence: "at once" }]);
});
