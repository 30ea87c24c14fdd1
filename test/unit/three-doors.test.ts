/** One order has one meaning: the compatible route, `/api/v1/jobs` and `/v1/videos` store the same, and refuse the same. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtInModels } from "../../src/core/built-in-models.ts";
import { createModelCatalog, offeredCatalog } from "../../src/core/model-catalog.ts";
import type { ModelEntry } from "../../src/core/model-entry.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, png, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock(), { maxQueuedJobs: 50 });
});
afterEach(() => world.close());

/** What somebody wants, in no door's words; what is not named is left to the service. */
interface Wish {
  readonly model?: unknown;
  readonly prompt?: unknown;
  readonly size?: unknown;
  readonly frames?: unknown;
  readonly framesPerSecond?: unknown;
  readonly steps?: unknown;
  readonly seed?: unknown;
  readonly lora?: { readonly file: unknown; readonly strength?: unknown };
  readonly loras?: unknown;
  readonly fallback?: unknown;
  readonly allow?: unknown;
  readonly image?: Uint8Array<ArrayBuffer>;
}

const usual: Wish = {
  model: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  size: "854x480",
  steps: 12,
  seed: 7,
};

type Headers = Readonly<Record<string, string>>;
const postJson = (path: string, fields: object, headers: Headers): Promise<Response> =>
  Promise.resolve(
    world.app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(fields),
    }),
  );

/** A form, because that is how a compatible client sends an image. */
function postForm(path: string, fields: object, image: Uint8Array<ArrayBuffer>, headers: Headers): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) body.set(name, String(value));
  body.set("image", new File([image], "fox.png"));
  return Promise.resolve(world.app.request(path, { method: "POST", headers, body }));
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

function orderCompatible({ model, size, frames, framesPerSecond, lora, image, ...rest }: Wish, headers: Headers) {
  const fields = {
    ...rest,
    model_type: model,
    resolution: size,
    num_frames: frames,
    fps: framesPerSecond,
    lora_path: lora?.file,
    lora_strength: lora?.strength,
  };
  const path = "/api/v1/generation/submit";
  return image === undefined ? postJson(path, fields, headers) : postForm(path, fields, image, headers);
}

const orderJob = ({ framesPerSecond, lora, image, ...rest }: Wish, headers: Headers) =>
  postJson(
    "/api/v1/jobs",
    {
      ...rest,
      frames_per_second: framesPerSecond,
      lora_path: lora?.file,
      lora_strength: lora?.strength,
      image: image === undefined ? undefined : base64(image),
    },
    headers,
  );

function orderVideo(wish: Wish, headers: Headers) {
  const { frames, framesPerSecond, steps, lora, loras, fallback, allow, image, ...rest } = wish;
  const fields = {
    ...rest,
    num_frames: frames,
    fps: framesPerSecond,
    num_inference_steps: steps,
    lora: lora === undefined ? undefined : { path: lora.file, scale: lora.strength },
    understudy: { loras, fallback, allow },
    input_reference: image === undefined ? undefined : { image_url: `data:image/png;base64,${base64(image)}` },
  };
  return postJson("/v1/videos", fields, headers);
}

const doors = { compatible: orderCompatible, jobs: orderJob, videos: orderVideo } as const;
const namesOfDoors = Object.keys(doors) as (keyof typeof doors)[];

const idIn = (body: { readonly id?: string; readonly task_id?: string }): string => body.id ?? body.task_id ?? "";

const twoLoras = [{ name: "fox.safetensors", strength: 0.5, expert: "high" }, { name: "styles/ink.v2.safetensors" }];

describe("an order that all doors take", () => {
  it.each<[string, Wish]>([
    ["with nothing but what every order has", {}],
    ["with frames and a rate of its own", { frames: 33, framesPerSecond: 24 }],
    ["at the least of everything", { frames: 1, framesPerSecond: 1, steps: 1, seed: 0 }],
    ["at the most of everything", { frames: 257, framesPerSecond: 60, steps: 100, seed: 2 ** 31 - 1 }],
    ["with the longest prompt", { prompt: "x".repeat(500) }],
    ["with a prompt of all sorts of characters", { prompt: "狐 🦊 \u0000 ' ; drop table jobs; --" }],
    ["of another model at its largest size", { model: "TI2V-5B", size: "1920x1080" }],
    ["without a size", { size: undefined }],
    ["with a LoRA", { lora: { file: "fox.safetensors" } }],
    ["with a weak LoRA in a folder", { lora: { file: "animals/fox.safetensors", strength: 0.25 } }],
    ["with two LoRAs more", { loras: twoLoras }],
    ["with a list of no LoRAs", { loras: [] }],
    ["that may become smaller", { allow: ["frames", "resolution"], fallback: "wait" }],
    ["that may become nothing else", { allow: [], fallback: "fail" }],
    ["with an image", { model: "I2V-A14B", image: png }],
  ])("is stored as the same: %s", async (_what, wish) => {
    // Where an order says nothing of changes, the doors have different defaults, which an operator sets.
    const order = { ...usual, allow: ["frames"], fallback: "wait", ...wish };
    const specs = [];
    for (const door of namesOfDoors) {
      const answer = await doors[door](order, {});
      const body = (await answer.json()) as { id?: string; task_id?: string };
      expect([door, answer.ok, answer.ok || body]).toEqual([door, true, true]);
      const job = await world.store.jobs.get(idIn(body));
      // Each job has its own copy of the image.
      const { imageName, ...request } = job?.spec.request ?? {};
      specs.push({ ...job?.spec, request, hasImage: imageName !== undefined });
    }
    expect(specs[0]).toMatchObject({ workflow: null, hasImage: wish.image !== undefined });
    expect(specs.slice(1)).toEqual([specs[0], specs[0]]);
  });

  it.each(namesOfDoors)("draws a seed where it names none: %s", async (door) => {
    const ids = [];
    for (let count = 0; count < 2; count += 1)
      ids.push(idIn((await (await doors[door]({ ...usual, seed: undefined }, {})).json()) as { id?: string }));
    const [one, other] = await Promise.all(ids.map(async (id) => (await world.store.jobs.get(id))?.spec.request));
    expect([one?.seed, other?.seed].every(Number.isInteger)).toBe(true);
    expect({ ...one, seed: 0 }).toEqual({ ...other, seed: 0 });
    expect(one?.seed).not.toBe(other?.seed);
  });
});

const loraFiles: readonly (readonly [string, unknown])[] = [
  ["is a text file", "fox.txt"],
  ["has no ending", "fox"],
  ["is of another runtime", "fox.onnx"],
  ["may run code", "fox.ckpt"],
  ["only begins like one", "fox.safetensors.pt"],
  ["shouts", "FOX.SAFETENSORS"],
  ["is above its folder", "../fox.safetensors"],
  ["leaves its folder on the way", "a/../../fox.safetensors"],
  ["leaves its folder as Windows writes it", "a\\..\\fox.safetensors"],
  ["is absolute", "/etc/fox.safetensors"],
  ["is on a drive", "C:\\fox.safetensors"],
  ["holds a NUL", "fox\u0000.safetensors"],
  ["has too long a name", `${"x".repeat(250)}.safetensors`],
  ["is no text", 7],
];

describe("an order that no door takes", () => {
  it.each<[string, Wish]>([
    ...loraFiles.map(([what, file]): [string, Wish] => [`whose LoRA ${what}`, { lora: { file } }]),
    ...loraFiles.map(([what, name]): [string, Wish] => [`of whose LoRAs one ${what}`, { loras: [{ name }] }]),
    ["whose LoRA is too strong", { lora: { file: "fox.safetensors", strength: 2.5 } }],
    ["whose LoRA is turned round", { lora: { file: "fox.safetensors", strength: -1 } }],
    ["one of whose LoRAs is too strong", { loras: [{ name: "fox.safetensors", strength: 2.5 }] }],
    ["whose LoRA is for an unknown expert", { loras: [{ name: "fox.safetensors", expert: "third" }] }],
    ["with nine LoRAs more", { loras: Array(9).fill({ name: "fox.safetensors" }) }],
    ["whose LoRAs are no list", { loras: "fox.safetensors" }],
    ["of an unknown model", { model: "SVD" }],
    ["without a prompt", { prompt: undefined }],
    ["with an empty prompt", { prompt: "" }],
    ["with a blank prompt", { prompt: " \n" }],
    ["with too long a prompt", { prompt: "x".repeat(501) }],
    ["with a prompt that is no text", { prompt: 7 }],
    ["of a size that no model has", { size: "640x482" }],
    ["of a size that is none", { size: "large" }],
    ["of a size with a space", { size: "854x480 " }],
    ["of no frames", { frames: 0 }],
    ["of too many frames", { frames: 258 }],
    ["of half a frame", { frames: 33.5 }],
    ["at no rate", { framesPerSecond: 0 }],
    ["at too high a rate", { framesPerSecond: 61 }],
    ["with no steps", { steps: 0 }],
    ["with too many steps", { steps: 101 }],
    ["with steps that are no number", { steps: "many" }],
    ["with a seed below 0", { seed: -1 }],
    ["with too large a seed", { seed: 2 ** 31 }],
    ["with half a seed", { seed: 0.5 }],
    ["with an unknown fallback", { fallback: "perhaps" }],
    ["that allows an unknown change", { allow: ["steps"] }],
    ["without an image where the model needs one", { model: "I2V-A14B" }],
    ["with an image that is none", { model: "I2V-A14B", image: new TextEncoder().encode("#!/bin/sh   ") }],
    ["with an image for a model that begins from the prompt alone", { image: png }],
    [
      "with a LoRA for an expert that the model lacks",
      { model: "TI2V-5B", loras: [{ ...twoLoras[0], expert: "low" }] },
    ],
    ["whose file of a LoRA is not there", { lora: { file: "gone.safetensors" } }],
    ["one of whose LoRAs' files is not there", { loras: [{ name: "gone.safetensors" }] }],
  ])("is refused with 422, and nothing is kept: %s", async (_what, wish) => {
    world.loraProblems.set("gone.safetensors", { code: "REQUEST_INVALID", detail: "is not there" });
    const answers = [];
    for (const door of namesOfDoors) {
      const answer = await doors[door]({ ...usual, ...wish }, {});
      answers.push([door, answer.status, ((await answer.json()) as { code?: string }).code]);
    }
    expect(answers).toEqual(namesOfDoors.map((door) => [door, 422, "REQUEST_INVALID"]));
    expect((await world.store.jobs.counts()).queued).toBe(0);
  });
});

/** Offers less than the service knows: a model of small clips, and not the one that begins from text and image. */
const clipModel: ModelEntry = {
  ...builtInModels["T2V-A14B"],
  id: "short",
  furtherSizes: ["640x360", "641x361"],
  pipeline: { ...builtInModels["T2V-A14B"].pipeline, mostFrames: 49, largestPixels: 1_280 * 720 },
};
const offered = offeredCatalog(createModelCatalog([clipModel]), [{ models: ["T2V-A14B"] }, { models: ["short"] }]);

interface Refusal {
  readonly param: string;
  readonly detail: string;
}

describe("what no worker of this service can render is refused in words that help", () => {
  beforeEach(async () => {
    await world.close();
    world = createServerWorld(createVirtualClock(), { catalog: offered });
  });

  it.each<[string, Wish, readonly Refusal[]]>([
    [
      "a model that nobody offers",
      { model: "TI2V-5B" },
      [
        { param: "model_type", detail: "Invalid model type. Must be one of: ['T2V-A14B', 'short']" },
        { param: "model", detail: "model must be one of T2V-A14B, short." },
        { param: "model", detail: "Invalid model type. Must be one of: ['T2V-A14B', 'short']" },
      ],
    ],
    [
      "more frames than the model does",
      { model: "short", size: "640x360", frames: 81 },
      [
        { param: "num_frames", detail: "num_frames must be at most 49 for short; T2V-A14B does more" },
        { param: "frames", detail: "frames must be at most 49 for short; T2V-A14B does more." },
        { param: "num_frames", detail: "num_frames must be at most 49 for short; T2V-A14B does more." },
      ],
    ],
    [
      "more pixels than the model does",
      { model: "short", size: "1920x1080", frames: 9 },
      namesOfDoors.map((door) => ({
        param: door === "compatible" ? "resolution" : "size",
        detail: expect.not.stringMatching(/1920x1080|641x361/) as unknown as string,
      })),
    ],
    [
      "sides that no clip of H.264 has",
      { model: "short", size: "641x361", frames: 9 },
      namesOfDoors.map((door) => ({
        param: door === "compatible" ? "resolution" : "size",
        detail: expect.stringMatching(/1280x720.*640x360/) as unknown as string,
      })),
    ],
    [
      "an image where no model reads one",
      { image: png },
      [
        {
          param: "image",
          detail:
            "image is not taken by T2V-A14B, which begins from the prompt alone; no model of this service begins from an image",
        },
        {
          param: "image",
          detail:
            "image is not taken by T2V-A14B, which begins from the prompt alone; no model of this service begins from an image.",
        },
        {
          param: "input_reference",
          detail:
            "input_reference is not taken by T2V-A14B, which begins from the prompt alone; no model of this service begins from an image.",
        },
      ],
    ],
    [
      "a LoRA whose file is broken",
      { lora: { file: "torn.safetensors" } },
      [
        { param: "lora_path", detail: "lora_path cannot be applied: it is torn." },
        { param: "lora_path", detail: "lora_path cannot be applied: it is torn." },
        { param: "lora", detail: "lora cannot be applied: it is torn." },
      ],
    ],
  ])("%s", async (_what, wish, refusals) => {
    world.loraProblems.set("torn.safetensors", { code: "LORA_UNSUPPORTED", detail: "cannot be applied: it is torn" });
    const answers = [];
    for (const door of namesOfDoors) {
      const answer = await doors[door]({ ...usual, ...wish }, {});
      const { param, detail, error } = (await answer.json()) as Refusal & {
        error?: { param: string; message: string };
      };
      answers.push([door, answer.status, { param: param ?? error?.param, detail: detail ?? error?.message }]);
    }
    expect(answers).toEqual(namesOfDoors.map((door, place) => [door, 422, refusals[place]]));
    expect((await world.store.jobs.counts()).queued).toBe(0);
  });

  it("nobody is told of it as of a model that can be had", async () => {
    const listed = (await (await world.app.request("/v1/models")).json()) as { data: readonly { id: string }[] };
    expect(listed.data.map(({ id }) => id)).toEqual(["T2V-A14B", "short"]);
    expect((await world.app.request("/v1/models/TI2V-5B")).status).toBe(404);
  });
});

describe("what becomes of an order is the same at every door", () => {
  it.each(namesOfDoors)("a key gives the first job back, and belongs to one order: %s", async (door) => {
    const key = { "idempotency-key": "k-1" };
    const first = await doors[door](usual, key);
    const again = await doors[door](usual, key);
    expect([first.headers.get("idempotency-replayed"), again.headers.get("idempotency-replayed")]).toEqual([
      null,
      "true",
    ]);
    expect(idIn((await again.json()) as object)).toBe(idIn((await first.json()) as object));
    const other = await doors[door]({ ...usual, steps: 13 }, key);
    expect([other.status, other.headers.get("x-should-retry")]).toEqual([409, "false"]);
    expect((await world.store.jobs.counts()).queued).toBe(1);
  });

  it.each(namesOfDoors)("an image counts as part of what a key belongs to: %s", async (door) => {
    const key = { "idempotency-key": "k-2" };
    const order = { ...usual, model: "I2V-A14B", image: png };
    expect((await doors[door](order, key)).ok).toBe(true);
    expect((await doors[door](order, key)).headers.get("idempotency-replayed")).toBe("true");
    expect((await doors[door]({ ...order, image: new Uint8Array([...png, 1]) }, key)).status).toBe(409);
  });

  it("a key of one door is not another's", async () => {
    for (const door of namesOfDoors) {
      const answer = await doors[door](usual, { "idempotency-key": "k-3" });
      expect([door, answer.ok]).toEqual([door, door === namesOfDoors[0]]);
    }
  });

  it.each(namesOfDoors)("says when to come back while nothing is let in: %s", async (door) => {
    world.freeBytes = 10;
    const full = await doors[door](usual, {});
    expect([full.status, full.headers.get("retry-after")]).toEqual([503, "60"]);
    world.freeBytes = 1e12;
    world.isIntakeDrained = true;
    const drained = await doors[door](usual, {});
    expect([drained.status, ((await drained.json()) as { code: string }).code]).toEqual([503, "INTAKE_DRAINED"]);
  });

  it.each(namesOfDoors)("refuses a LoRA where no worker has a folder of them: %s", async (door) => {
    world.takesLoras = false;
    const answer = await doors[door]({ ...usual, lora: { file: "fox.safetensors" } }, {});
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([422, "LORA_UNSUPPORTED"]);
  });
});
