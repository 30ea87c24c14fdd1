/**
 * The Python worker as the conformance checks meet it: on the processor, with tiny models, and with faults that a
 * wrapper around it plants.
 */
import { fileURLToPath } from "node:url";
import type { Provocation } from "../../src/contract/worker-promises.ts";
import type { RenderRequest } from "../../src/core/job.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { secondMs } from "../../src/core/units.ts";
import type { WorkerSubject } from "../../src/workers/conformance/subject.ts";
import { diffusersCommand } from "../../src/workers/diffusers-command.ts";
import { tinyModelsDir } from "./tiny-models.ts";

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
const command = diffusersCommand({
  modelsDir: tinyModelsDir,
  registry: `${tinyModelsDir}/models.json`,
  device: "cpu",
  // Every step: the tiny model takes milliseconds where a real one takes half a minute.
  checkpointMs: 1,
});
/** The real worker, with one fault that its environment plants. */
const program = fileURLToPath(new URL("../fixtures/tiny-wan/faulty_worker.py", import.meta.url));
const planted = (fault: string): Provocation => ({ by: "environment", env: { UNDERSTUDY_TEST_FAULT: fault } });

export const diffusersSubject: WorkerSubject = {
  name: "diffusers",
  command: { ...command, args: ["-B", program] },
  profile: "full",
  model: createModelCatalog().entryOf(shortRequest.model),
  shortRequest,
  longRequest: { ...shortRequest, frames: 5, steps: 60 },
  timeoutsMs: { start: 240 * secondMs, load: 120 * secondMs, render: 240 * secondMs, step: 20 * secondMs },
  promises: {
    checkpointEverySteps: 1,
    checkpointAtEnd: true,
    outOfMemory: planted("oom@denoise:3"),
    poisonedContext: planted("poison@denoise:3"),
    blockedMainThread: planted("hang@denoise:3"),
    badConfiguration: { UNDERSTUDY_MODELS: "/nowhere/models.json" },
    orphanVariable: "UNDERSTUDY_ORPHAN_MS",
    clearsCache: true,
    countsWeights: true,
  },
};
