/** A host that cannot carry a model says so from the worker's first word on, whatever becomes of the model's files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { endService, makeStateDir, startService, until } from "../harness/running-service.ts";

const registry = {
  models: {
    "T2V-A14B": {
      repository: "test-org/huge",
      pipelineClass: "WanPipeline",
      sizes: { step: 16, cell: 16, further: ["128x64"] },
      defaults: { frames: 9, steps: 8, framesPerSecond: 16 },
      weights: "900TiB",
      render: { maxSequenceLength: 32, dtype: "float32", negativePrompt: "water", guidanceScale: 3.5 },
      profiles: { full: { base: "1MiB", perToken: "1KiB" } },
    },
  },
};
const order = { model: "T2V-A14B", prompt: "a fox", size: "128x64", frames: 9, steps: 6 };

it("a job for it is refused while its files are still sought at a hub that is gone", { timeout: 120_000 }, async () => {
  const directory = makeStateDir();
  const registryPath = join(directory.path, "registry.json");
  writeFileSync(registryPath, JSON.stringify(registry));
  const env = {
    HF_ENDPOINT: "http://127.0.0.1:9",
    HF_HOME: join(directory.path, "huggingface"),
    UNDERSTUDY_MODELS_REGISTRY: registryPath,
    UNDERSTUDY_ALTERNATIVE: "none",
    UNDERSTUDY_LOAD_PROFILE: "full",
    UNDERSTUDY_RENDERER_KIND: "diffusers",
    UNDERSTUDY_RENDERER_DEVICE: "cpu",
  };
  const service = await startService({ stateDir: directory.path, env, limitMs: 60_000 });
  try {
    await until("its worker is connected", () => service.output().includes('"event":"worker.connected"'), 90_000);
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(order) };
    const { status, body } = await service.json("/api/v1/jobs", init);
    expect([status, body]).toMatchObject([
      422,
      { code: "ENVELOPE_TOO_LARGE", detail: expect.stringContaining("of host memory") },
    ]);
  } finally {
    await endService(service);
    directory.remove();
  }
});
