import type { RenderRequest } from "../../src/core/job.ts";
import { secondMs } from "../../src/core/units.ts";
import { simulatorCommand } from "../../src/workers/simulator-command.ts";
import { describeWorker } from "./describe-worker.ts";

const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  width: 128,
  height: 64,
  frames: 9,
  framesPerSecond: 16,
  steps: 8,
  seed: 7,
  loraPath: null,
  loraStrength: 1,
};

describeWorker({
  name: "simulator",
  command: simulatorCommand({ deviceDir: "" }),
  profile: "full",
  shortRequest: request,
  // 7,200 tokens: 1.4 s a step on an H100, 28 ms here, a checkpoint after each 21 steps.
  longRequest: { ...request, width: 1280, height: 720, frames: 5, steps: 50 },
  patienceMs: { start: 20 * secondMs, load: 10 * secondMs, render: 20 * secondMs, step: 2 * secondMs },
  promises: {
    checkpointEverySteps: 21,
    checkpointAtEnd: true,
    deviceFile: true,
    leanerProfile: "model-offload",
    outOfMemory: { by: "card", card: "oom@denoise:3" },
    poisonedContext: { by: "prompt", words: "[[sim:poison@denoise:2]]" },
    blockedMainThread: { by: "environment", env: { UNDERSTUDY_SIM_FAULT: "hang@denoise:3" } },
    badConfiguration: { UNDERSTUDY_SIM_GPU: "no-such-card" },
    orphanTime: (limitMs) => ({ UNDERSTUDY_ORPHAN_MS: String(limitMs) }),
  },
});
