/** The simulator as the conformance checks meet it, with the test cards that bring its faults about. */
import type { RenderRequest } from "../../src/core/job.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { stepSeconds } from "../../src/core/model-figures.ts";
import { secondMs } from "../../src/core/units.ts";
import type { LoadProfile } from "../../src/core/words.ts";
import type { WorkerSubject } from "../../src/workers/conformance/subject.ts";
import { simulatorCommand } from "../../src/workers/simulator-command.ts";

const shortRequest: RenderRequest = {
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
const profile: LoadProfile = "full";
// 7,200 tokens: 1.25 s a step on an H100, 12 ms here.
const longRequest: RenderRequest = { ...shortRequest, width: 1280, height: 720, frames: 5, steps: 100 };

const model = createModelCatalog().entryOf(shortRequest.model);

export const simulatorSubject: WorkerSubject = {
  name: "simulator",
  command: simulatorCommand({ deviceDir: "", speed: 2 }),
  profile,
  model,
  shortRequest,
  longRequest,
  timeoutsMs: { start: 20 * secondMs, load: 10 * secondMs, render: 20 * secondMs, step: 2 * secondMs },
  promises: {
    /** At most 30 s of a real card's work may be lost with a process. */
    checkpointEverySteps: Math.floor(30 / stepSeconds(model, longRequest, profile)),
    checkpointAtEnd: true,
    deviceFile: true,
    leanerProfile: "model-offload",
    outOfMemory: { by: "card", card: "oom@denoise:3" },
    poisonedContext: { by: "prompt", words: "[[sim:poison@denoise:2]]" },
    blockedMainThread: { by: "environment", env: { UNDERSTUDY_SIM_FAULT: "hang@denoise:3" } },
    badConfiguration: { UNDERSTUDY_SIM_GPU: "no-such-card" },
    orphanVariable: "UNDERSTUDY_ORPHAN_MS",
    clearsCache: true,
    countsWeights: true,
  },
};
