/** A render through the service, from the submission to the committed result, beside the same pipeline in a bare Python process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { installedPython } from "../src/workers/diffusers-command.ts";
import { setup as buildTinyModels, tinyModelsDir } from "../test/conformance/tiny-models.ts";
import { type EventReader, followEvents, type StreamMessage } from "../test/harness/event-reader.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../test/harness/running-service.ts";
import { type BenchResult, medianOf } from "./result.ts";

const pairs = 7;
const size = { width: 320, height: 192 };
const job = { prompt: "a red fox runs across fresh snow", steps: 100, frames: 33 };
const negativePrompt = "water";
const limitMs = 30 * 60_000;
/**
 * Both sides get one thread: on a host with a card the processor has time for the service, on two shared cores it would
 * not.
 */
const env = { OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" };

const registry = {
  models: {
    "T2V-A14B": {
      folder: join(tinyModelsDir, "t2v"),
      pipelineClass: "WanPipeline",
      sizes: { step: 16, cell: 16, further: [`${size.width}x${size.height}`] },
      defaults: { frames: 33, steps: 100, framesPerSecond: 16 },
      weights: "1MiB",
      render: {
        guidanceScale: 3.5,
        guidanceScale2: 3,
        boundaryRatio: 0.875,
        maxSequenceLength: 32,
        dtype: "float32",
        negativePrompt,
      },
      profiles: { full: { base: "1MiB", perToken: "1KiB" }, tiling: { base: "1MiB", perToken: "1KiB" } },
    },
  },
};

/** The service makes a checkpoint every two seconds, fifteen times as often as by default. */
function startRealService(stateDir: string): Promise<RunningService> {
  const path = join(stateDir, "registry.json");
  writeFileSync(path, JSON.stringify(registry));
  return startService({
    stateDir,
    limitMs: 120_000,
    env: {
      ...env,
      UNDERSTUDY_MODELS_REGISTRY: path,
      UNDERSTUDY_RENDERER_KIND: "diffusers",
      UNDERSTUDY_RENDERER_DEVICE: "cpu",
      UNDERSTUDY_LOAD_PROFILE: "full",
      UNDERSTUDY_SUPERVISION_CHECKPOINT: "2s",
      UNDERSTUDY_LOG_LEVEL: "warn",
    },
  });
}

/** The client hears of the end by the event stream: asking again and again would take the render's time. */
async function serviceSeconds(service: RunningService, { messages }: EventReader): Promise<number> {
  const startedAtMs = clock.nowMs();
  const fields = {
    prompt: job.prompt,
    steps: job.steps,
    num_frames: job.frames,
    resolution: `${size.width}x${size.height}`,
    seed: 7,
  };
  const id = await service.submit({ ...fields, fallback: "wait" });
  const isEnd = ({ event, data }: StreamMessage): boolean =>
    data["job_id"] === id && /^job\.(?:succeeded|failed)$/.test(event);
  await until("the render ends", () => messages.find(isEnd), limitMs);
  const seconds = (clock.nowMs() - startedAtMs) / 1_000;
  const { body } = await service.json<{ status: string; is_mock: boolean }>(`/api/v1/generate/${id}`);
  if (body.status !== "completed" || body.is_mock) throw new Error(`the render ended ${JSON.stringify(body)}`);
  return seconds;
}

interface Bare {
  readonly seconds: () => Promise<number>;
  readonly end: () => void;
}

function startBare(dir: string): Bare {
  const script = fileURLToPath(new URL("./bare_render.py", import.meta.url));
  const args = ["-B", script, join(tinyModelsDir, "t2v"), join(dir, "bare.mp4")];
  const child = spawn(installedPython, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the bare pipeline ended with exit code ${String(code)}; what it said stands above`);
  });
  ended.catch(() => undefined);
  return {
    seconds: async () => {
      const answered = once(lines, "line") as Promise<[string]>;
      child.stdin.write(`${JSON.stringify({ ...size, ...job, negative_prompt: negativePrompt })}\n`);
      return Number((await Promise.race([answered, ended]))[0]);
    },
    end: () => {
      child.kill();
    },
  };
}

export async function benchRender(): Promise<BenchResult[]> {
  buildTinyModels();
  const directory = makeStateDir();
  const service = await startRealService(directory.path);
  const bare = startBare(directory.path);
  const stream = await followEvents(service, "?topics=jobs");
  try {
    await until(
      "the service is ready",
      async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
      180_000,
    );
    // The first render of a process pays for what later ones find warm.
    await bare.seconds();
    await serviceSeconds(service, stream);
    const measured: { bare: number; service: number }[] = [];
    // What else the machine does hits whoever is first and second alike.
    for (let pair = 0; pair < pairs; pair += 1) {
      if (pair % 2 === 0) measured.push({ bare: await bare.seconds(), service: await serviceSeconds(service, stream) });
      else {
        const through = await serviceSeconds(service, stream);
        measured.push({ service: through, bare: await bare.seconds() });
      }
    }
    const seconds = (of: (pair: (typeof measured)[number]) => number): string => medianOf(measured.map(of)).toFixed(2);
    return [
      {
        what: "render through the service ÷ the same pipeline bare",
        value: medianOf(measured.map((pair) => pair.service / pair.bare)),
        unit: "",
        limit: { kind: "atMost", value: 1.05 },
        detail: `median of ${pairs} pairs: ${seconds((pair) => pair.service)} s and ${seconds((pair) => pair.bare)} s for ${job.steps} steps at ${size.width}x${size.height}x${job.frames}, a checkpoint every 2 s, one thread each`,
      },
    ];
  } finally {
    bare.end();
    await stream.stop();
    await endService(service);
    directory.remove();
  }
}
