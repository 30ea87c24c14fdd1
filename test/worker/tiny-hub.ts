/**
 * A fake hub that serves tiny models, with the registry that names them, for tests that pull and render with the real
 * Python worker.
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyModelsDir } from "../conformance/tiny-models.ts";
import { type FakeHub, startFakeHub } from "../fixtures/fake-hub/fake-hub.ts";
import { clock } from "../harness/running-service.ts";

const common = {
  defaults: { frames: 9, steps: 8, framesPerSecond: 16 },
  weights: "1MiB",
  profiles: { full: { base: "1MiB", perToken: "1KiB" }, tiling: { base: "1MiB", perToken: "1KiB" } },
};
const render = { maxSequenceLength: 32, dtype: "float32", negativePrompt: "water" };

/**
 * The built-in models by their names and two others, with random weights that render in a second. @param folder of
 * cogvideox
 */
const modelsWith = (folder: string) => ({
  "T2V-A14B": {
    ...common,
    repository: "tiny/wan-t2v",
    pipelineClass: "WanPipeline",
    sizes: { step: 16, cell: 16, further: ["128x64", "120x60"] },
    render: { ...render, guidanceScale: 3.5, guidanceScale2: 3, boundaryRatio: 0.875 },
  },
  "I2V-A14B": {
    ...common,
    repository: "tiny/wan-i2v",
    pipelineClass: "WanImageToVideoPipeline",
    image: "required",
    sizes: { step: 16, cell: 16, further: ["128x64"] },
    render: { ...render, guidanceScale: 3.5, guidanceScale2: 3.5, boundaryRatio: 0.9 },
  },
  "TI2V-5B": {
    ...common,
    repository: "tiny/wan-ti2v",
    pipelineClass: "WanPipeline",
    image: "optional",
    imagePipelineClass: "WanImageToVideoPipeline",
    sizes: { step: 32, cell: 32, further: ["128x64"] },
    render: { ...render, guidanceScale: 5 },
  },
  cogvideox: {
    ...common,
    folder,
    pipelineClass: "CogVideoXPipeline",
    sizes: { step: 16, cell: 16, further: ["64x64"] },
    frames: { step: 8, offset: 1 },
    render: { ...render, guidanceScale: 6, maxSequenceLength: 16 },
  },
  "ltx-video": {
    ...common,
    repository: "tiny/ltx-video",
    pipelineClass: "LTXPipeline",
    sizes: { step: 32, cell: 32, further: ["128x64"] },
    frames: { step: 8, offset: 1 },
    render: { ...render, guidanceScale: 3.5, arguments: { decode_timestep: 0.05, decode_noise_scale: 0.025 } },
  },
});
const folders = { "wan-t2v": "t2v", "wan-i2v": "i2v", "wan-ti2v": "ti2v", "ltx-video": "ltx" };

export interface TinyHub {
  readonly hub: FakeHub;
  /** Puts the files of cogvideox into the local folder that the registry names. */
  readonly fillFolder: () => void;
  /** What a service needs to know of it. */
  readonly env: Readonly<Record<string, string>>;
}

/** A hub that serves the tiny models, and the registry file that names them, all below one folder. */
export async function startTinyHub(dir: string): Promise<TinyHub> {
  const root = join(dir, "hub");
  for (const [repository, folder] of Object.entries(folders)) {
    const target = join(root, "tiny", repository);
    mkdirSync(target, { recursive: true });
    cpSync(join(tinyModelsDir, folder), target, { recursive: true });
  }
  const registry = join(dir, "registry.json");
  const folder = join(dir, "cogvideox");
  writeFileSync(registry, JSON.stringify({ models: modelsWith(folder) }));
  const hub = await startFakeHub({ root, clock });
  const env = {
    HF_ENDPOINT: hub.endpoint,
    HF_HOME: join(dir, "huggingface"),
    UNDERSTUDY_MODELS_REGISTRY: registry,
    UNDERSTUDY_MODELS_MARGIN: "16MiB",
    UNDERSTUDY_RENDERER_KIND: "diffusers",
    UNDERSTUDY_RENDERER_DEVICE: "cpu",
  };
  return { hub, env, fillFolder: () => cpSync(join(tinyModelsDir, "cogvideox"), folder, { recursive: true }) };
}
