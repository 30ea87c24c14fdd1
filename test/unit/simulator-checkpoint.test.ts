import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RenderRequest } from "../../src/core/job.ts";
import { readCheckpoint, writeCheckpoint } from "../../src/workers/simulator/checkpoint.ts";

const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: "a red fox",
  width: 128,
  height: 64,
  frames: 9,
  framesPerSecond: 16,
  steps: 40,
  seed: 7,
  loraPath: null,
  loraStrength: 1,
};
const kept = { denoiseSteps: 24, fired: { crash: 1 } };
const fresh = { denoiseSteps: 0, fired: {} };

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "understudy-checkpoint-"));
  directory = join(root, "checkpoints");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const path = (): string => join(directory, "checkpoint.json");

describe("a checkpoint", () => {
  it("is fresh where there is none, and comes back as it was written", () => {
    expect(readCheckpoint(directory, request)).toEqual(fresh);
    writeCheckpoint(directory, request, kept);
    expect(readCheckpoint(directory, request)).toEqual(kept);
    writeCheckpoint(directory, request, { ...kept, denoiseSteps: 30 });
    expect(readCheckpoint(directory, request).denoiseSteps).toBe(30);
  });

  it.each([
    ["its prompt", { prompt: "a blue fox" }],
    ["its seed", { seed: 8 }],
    ["its size", { width: 144 }],
    ["its steps", { steps: 41 }],
  ])("is of no use to a request that differs in %s; the cards that have fired stay fired", (_what, change) => {
    writeCheckpoint(directory, request, kept);
    expect(readCheckpoint(directory, { ...request, ...change })).toEqual({ denoiseSteps: 0, fired: { crash: 1 } });
  });

  it("is not used when a single byte of it was flipped, wherever it is", () => {
    writeCheckpoint(directory, request, kept);
    const whole = readFileSync(path());
    for (let at = 0; at < whole.length; at += 1) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      writeFileSync(path(), flipped);
      expect(readCheckpoint(directory, request), `byte ${at}`).toEqual(fresh);
    }
  });

  it("is not used when it was cut off, at whatever length", () => {
    writeCheckpoint(directory, request, kept);
    for (let length = readFileSync(path()).length - 1; length >= 0; length -= 1) {
      truncateSync(path(), length);
      expect(readCheckpoint(directory, request), `${length} bytes`).toEqual(fresh);
    }
  });

  it("stays whole when the process was killed in the middle of writing the next one", () => {
    writeCheckpoint(directory, request, kept);
    writeFileSync(`${path()}.new`, "half a check");
    expect(readCheckpoint(directory, request)).toEqual(kept);
    writeCheckpoint(directory, request, { ...kept, denoiseSteps: 25 });
    expect(readCheckpoint(directory, request).denoiseSteps).toBe(25);
    expect(readdirSync(directory)).toEqual(["checkpoint.json"]);
  });
});
