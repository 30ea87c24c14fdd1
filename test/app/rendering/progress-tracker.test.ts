import { describe, expect, it } from "vitest";
import { createProgressTracker } from "../../../src/app/rendering/progress-tracker.ts";
import { secondMs } from "../../../src/core/units.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";

/** A render of one step a second that reports each step, from this step of its denoising on; answers what was said at `upTo`. */
async function etaAt(fromStep: number, upTo: number): Promise<number | null> {
  const clock = createVirtualClock();
  const tracker = createProgressTracker(clock);
  const note = (phase: "encode" | "denoise", step: number, of: number): void =>
    tracker.note({ jobId: "job-1", workerId: "gpu0", phase, step, of });
  note("encode", 0, 1);
  await clock.advance(secondMs);
  note("encode", 1, 1);
  for (let step = fromStep; step <= upTo; step += 1) {
    note("denoise", step, 30);
    await clock.advance(secondMs);
  }
  return tracker.of("job-1")?.etaMs ?? null;
}

describe("what is left of a render of which no history tells", () => {
  it("goes by the pace of the steps that were rendered", async () => {
    expect(await etaAt(0, 10)).toBeGreaterThan(20 * secondMs);
  });

  it("does not count the steps that came from a checkpoint as rendered in no time", async () => {
    expect(await etaAt(15, 15)).toBeNull();
    // Fifteen steps and what comes after them are left; by the pace of the jump it would be two seconds.
    expect(await etaAt(15, 20)).toBeGreaterThan(10 * secondMs);
  });
});
