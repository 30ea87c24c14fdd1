/** The registry of the service is the only one: what the worker reads is made of it, and the worker takes every built-in model. */
import { execFileSync } from "node:child_process";
import { afterAll, expect, it } from "vitest";
import { createWorkerModels } from "../../src/app/workers/worker-models.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { modelIds } from "../../src/core/words.ts";
import { installedPython, workerPackageDir } from "../../src/workers/diffusers-command.ts";
import { makeStateDir } from "../harness/running-service.ts";

const directory = makeStateDir();
afterAll(directory.remove);

const read = `
import json, sys
from pathlib import Path
from understudy_worker.pipelines.registry import read_registry
entries = read_registry(Path(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps({e.model: [e.pipeline, e.image, e.image_pipeline, e.size_step, e.expert_count, e.guidance_scale, e.guidance_scale_2] for e in entries.values()}))
`;

it("the worker reads the three Wan models as the service plans with them", () => {
  const catalog = createModelCatalog();
  const { listPath, modelsDir } = createWorkerModels(directory.path, catalog);
  const env = { ...process.env, PYTHONPATH: workerPackageDir };
  const found = JSON.parse(
    execFileSync(installedPython, ["-B", "-c", read, listPath, modelsDir], { encoding: "utf8", env }),
  ) as object;
  const planned = (id: (typeof modelIds)[number]) => {
    const { sizeStep, expertCount } = catalog.entryOf(id);
    return [sizeStep, expertCount];
  };
  expect(found).toEqual({
    "T2V-A14B": ["WanPipeline", "none", null, ...planned("T2V-A14B"), 4, 3],
    "I2V-A14B": ["WanImageToVideoPipeline", "required", null, ...planned("I2V-A14B"), 3.5, 3.5],
    "TI2V-5B": ["WanPipeline", "optional", "WanImageToVideoPipeline", ...planned("TI2V-5B"), 5, null],
  });
});
