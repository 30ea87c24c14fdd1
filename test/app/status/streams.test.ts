import { expect, it } from "vitest";
import { createStreams, type StreamSources } from "../../../src/app/status/streams.ts";
import type { RungResult } from "../../../src/core/fault.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import type { StreamFrame } from "../../../src/server/server-ports.ts";
import { workerId } from "../app-world.ts";

/** Sources that tell what a test says. */
function createSources() {
  let tellFact: (fact: SupervisorFact) => void = () => undefined;
  let stepListeners = 0;
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
    status: () => ({ sentence: "A video submitted now is kept.", health: null }),
  };
  const frames: StreamFrame[] = [];
  const streams = createStreams(sources);
  return { streams, frames, tell: (fact: SupervisorFact) => tellFact(fact), stepListeners: () => stepListeners };
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
