import { afterEach, beforeEach, expect, it } from "vitest";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, png, type ServerWorld } from "./server-world.ts";
import { pngUrl, refusalOf, small, videoIn, videosClient } from "./videos-client.ts";

const clock = createVirtualClock();
let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(clock, { maxQueuedJobs: 50 });
});
afterEach(() => world.close());

const { create, listed, send, sendForm, specOf } = videosClient(() => world);

it("answers an order with a queued video once the job is in the store, and allows no change by itself", async () => {
  const video = await create({ seconds: "4", model: "T2V-A14B" });
  expect(video).toMatchObject({
    object: "video",
    status: "queued",
    progress: 0,
    model: "T2V-A14B",
    seconds: "4",
    size: "854x480",
    prompt: small.prompt,
    completed_at: null,
    expires_at: null,
    error: null,
    remixed_from_video_id: null,
  });
  expect(video.understudy).toMatchObject({
    served_by: null,
    effective: null,
    changes: [],
    attempts: 0,
    queue_position: 1,
    phase: null,
    simulated: true,
    allow: [],
    fallback: "stand_in_then_real",
    stand_in: null,
  });
  const spec = await specOf(video.id);
  expect(spec.request).toMatchObject({
    model: "T2V-A14B",
    width: 854,
    height: 480,
    frames: 64,
    framesPerSecond: 16,
    steps: 40,
  });
  expect(spec.consent).toMatchObject({ fallback: "stand_in_then_real", allow: [] });
});

it("takes a form with names in brackets and numbers as text", async () => {
  const answer = await sendForm([
    ["prompt", "a fox"],
    ["model", "TI2V-5B"],
    ["size", "1280x720"],
    ["seconds", "4"],
    ["understudy[allow][]", "frames"],
    ["understudy[allow][]", "alternative_model"],
    ["understudy[fallback]", "wait"],
    ["understudy[floor][width]", "1024"],
    ["understudy[floor][height]", "576"],
    ["understudy[floor][frames]", "49"],
  ]);
  const { id } = await videoIn(answer);
  const { request, consent } = await specOf(id);
  expect(request).toMatchObject({ model: "TI2V-5B", frames: 96, framesPerSecond: 24 });
  expect(consent).toEqual({
    fallback: "wait",
    allow: ["frames", "alternative_model"],
    floor: { width: 1024, height: 576, frames: 49 },
  });
});

it("takes the flat names of vLLM-Omni, and what stands in extra_params", async () => {
  const answer = await sendForm([
    ["prompt", "a fox"],
    ["width", "854"],
    ["height", "480"],
    ["num_frames", "33"],
    ["fps", "24"],
    ["num_inference_steps", "12"],
    ["lora", JSON.stringify({ name: "fox.safetensors", scale: 0.5 })],
    ["extra_params", JSON.stringify({ seed: 7 })],
    ["seconds", "9"],
  ]);
  const { id, seconds } = await videoIn(answer);
  expect((await specOf(id)).request).toMatchObject({
    width: 854,
    height: 480,
    frames: 33,
    framesPerSecond: 24,
    steps: 12,
    seed: 7,
    loraPath: "fox.safetensors",
    loraStrength: 0.5,
  });
  expect(seconds).toBe("1.375");
});

it.each([
  [
    "a form",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["size", "854x480"],
        ["understudy[loras]", JSON.stringify([{ name: "fox.safetensors" }])],
      ]),
  ],
  ["JSON", () => send({ ...small, understudy: { loras: [{ name: "fox.safetensors" }] } })],
])("takes several LoRAs in %s", async (_, order) => {
  const { id } = await videoIn(await order());
  expect((await specOf(id)).request.loras).toEqual([{ name: "fox.safetensors", strength: 1, expert: "both" }]);
});

it("says what the video will take until it has ended, and null for what nobody knows", async () => {
  const { id, understudy } = await create();
  expect(understudy.estimate).toMatchObject({
    load_profile: "model-offload",
    vram_gb: 33.5,
    seconds: 122,
    source: "estimated",
  });
  const shown = async () => (await videoIn(await world.app.request(`/v1/videos/${id}`))).understudy.estimate;
  expect(await shown()).toEqual(understudy.estimate);
  world.isCardKnown = false;
  expect(await shown()).toMatchObject({
    load_profile: null,
    vram_gb: null,
    seconds: null,
    source: "unknown",
    basis: expect.stringContaining("No worker"),
  });
  await world.store.jobs.cancel(id, "client:x");
  expect(await shown()).toBeNull();
});

it("says which fields had no effect", async () => {
  expect(
    (await create({ guidance_scale: 5, negative_prompt: "", extra_params: { flow_shift: 3 } })).understudy.ignored,
  ).toEqual(["flow_shift", "guidance_scale"]);
  expect((await create()).understudy.ignored).toBeUndefined();
});

it.each([
  ["no prompt", { prompt: undefined }, "prompt"],
  ["an unknown model", { model: "sora-2" }, "model"],
  ["an unknown size", { size: "720x1280" }, "size"],
  ["seconds that are none", { seconds: "soon" }, "seconds"],
  ["no seconds at all", { seconds: "0" }, "seconds"],
  ["more seconds than a model can render", { seconds: "60" }, "seconds"],
  ["too many steps", { num_inference_steps: 101 }, "num_inference_steps"],
  ["a width alone", { width: 854 }, "width"],
  ["an unknown consent", { understudy: { allow: ["steps"] } }, "understudy.allow"],
  ["an unknown setting of our own", { understudy: { alow: ["frames"] } }, "understudy"],
  ["a list of LoRAs that is none", { understudy: { loras: "fox" } }, "understudy.loras"],
  ["half a floor", { understudy: { floor: { width: 854 } } }, "understudy.floor.height"],
  ["a video to begin from", { video_reference: "x" }, "video_reference"],
  ["a file that is kept elsewhere", { input_reference: { file_id: "file-1" } }, "input_reference.file_id"],
  ["a LoRA outside its directory", { lora: { path: "/etc/passwd" } }, "lora"],
  ["no image for a model that needs one", { model: "I2V-A14B" }, "input_reference"],
])("refuses %s with the name of the field in the words of this address", async (_, change, param) => {
  const { status, error } = await refusalOf(send({ ...small, ...change }));
  expect({ status, ...error }).toMatchObject({
    status: 422,
    type: "invalid_request_error",
    code: "REQUEST_INVALID",
    param,
  });
  expect(error.message).not.toMatch(/model_type|Invalid resolution|\.\.$/);
});

it("refuses a name in a form that would reach beyond it", async () => {
  const answer = sendForm([
    ["prompt", "a fox"],
    ["understudy[__proto__][allow]", "frames"],
  ]);
  expect(await refusalOf(answer)).toMatchObject({
    status: 422,
    error: { code: "REQUEST_INVALID", param: "understudy[__proto__][allow]" },
  });
});

it.each([
  ["a body that is no JSON", { headers: { "content-type": "application/json" }, body: "{" }, 400, "REQUEST_MALFORMED"],
  [
    "a body that is no object",
    { headers: { "content-type": "application/json" }, body: "[1]" },
    422,
    "REQUEST_INVALID",
  ],
  [
    "a broken form",
    { headers: { "content-type": "multipart/form-data; boundary=x" }, body: "--y" },
    400,
    "REQUEST_MALFORMED",
  ],
  ["a text", { headers: { "content-type": "text/plain" }, body: "a fox" }, 415, "MEDIA_TYPE_UNSUPPORTED"],
])("refuses %s", async (_, init, status, code) => {
  expect(await refusalOf(world.app.request("/v1/videos", { method: "POST", ...init }))).toMatchObject({
    status,
    error: { code },
  });
});

it.each([
  [
    "a file of the form",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["model", "I2V-A14B"],
        ["input_reference", new Blob([png])],
      ]),
  ],
  [
    "a data URL in the form",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["model", "I2V-A14B"],
        ["input_reference[image_url]", pngUrl],
      ]),
  ],
  ["a data URL in JSON", () => send({ prompt: "a fox", model: "I2V-A14B", input_reference: { image_url: pngUrl } })],
  [
    "vLLM-Omni's reference",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["model", "I2V-A14B"],
        ["image_reference", JSON.stringify({ image_url: pngUrl })],
      ]),
  ],
] as const)("keeps an image that comes as %s with its job", async (_, order) => {
  const { id, understudy } = await videoIn(await order());
  const job = await world.store.jobs.get(id);
  expect(job?.artifacts.map(({ kind, bytes, mimeType }) => ({ kind, bytes, mimeType }))).toEqual([
    { kind: "image", bytes: png.length, mimeType: "image/png" },
  ]);
  // The simulator reads no images, and says so.
  expect(understudy.ignored).toEqual(["input_reference"]);
});

const deep = (count: number): string => `${"[".repeat(count)}${"]".repeat(count)}`;
it.each([
  ["a prompt that is an object", { prompt: { toString: "x" } }],
  ["a model called __proto__", { model: "__proto__" }],
  ["a model that is a list", { model: ["T2V-A14B"] }],
  ["a size that is an object", { size: {} }],
  ["a size of words", { size: "NaNxNaN" }],
  ["seconds that are endless", { seconds: "1e308" }],
  ["seconds below nothing", { seconds: -4 }],
  ["seconds that are true", { seconds: true }],
  ["a width beyond numbers", { width: 1e308, height: 1e308 }],
  ["half a frame", { num_frames: 0.5 }],
  ["no frames", { num_frames: 0 }],
  ["a seed beyond numbers", { seed: 1e308 }],
  ["a seed of words", { seed: "NaN" }],
  ["a LoRA that is a text", { lora: "fox" }],
  ["extra_params that are a list", { extra_params: "[1]" }],
  ["extra_params that are deep", { extra_params: deep(5_000) }],
  ["understudy as a text", { understudy: "yes" }],
  ["understudy as a list", { understudy: [] }],
  ["an image that is a number", { input_reference: 7 }],
  ["an address that is an object", { input_reference: { image_url: {} } }],
  ["an address of one letter", { input_reference: { image_url: "\u{1f98a}" } }],
])("answers %s with a refusal and no defect", async (_, change) => {
  const answer = await send({ ...small, ...change });
  expect(answer.status).toBe(422);
  expect(world.defects).toEqual([]);
});

it.each([
  "/v1/videos/%00",
  "/v1/videos/%ff%fe/content",
  "/v1/videos/..%2f..%2fetc%2fpasswd/content",
  "/v1/videos/%F0%9F%A6%8A",
  "/v1/models/%00",
])("answers 404 to %s", async (path) => {
  expect((await world.app.request(path)).status).toBe(404);
  expect(world.defects).toEqual([]);
});

it.each(["https://example.org/a.png", "http://169.254.169.254/latest", "file:///etc/passwd", "example.org/a.png"])(
  "fetches nothing for a request: %s is refused by a code of its own",
  async (address) => {
    const { status, error } = await refusalOf(send({ ...small, input_reference: { image_url: address } }));
    expect({ status, ...error }).toMatchObject({
      status: 422,
      code: "IMAGE_ADDRESS_REFUSED",
      param: "input_reference[image_url]",
    });
  },
);

it.each([
  [
    "a file that is no image",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["input_reference", new Blob(["text"])],
      ]),
  ],
  [
    "a data URL that is no image",
    () => send({ ...small, input_reference: { image_url: "data:image/png;base64,AAAA" } }),
  ],
  ["a data URL without its encoding", () => send({ ...small, input_reference: { image_url: "data:image/png,AAAA" } })],
  [
    "two files",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["input_reference", new Blob([png])],
        ["input_reference", new Blob([png])],
      ]),
  ],
  [
    "a file under another name",
    () =>
      sendForm([
        ["prompt", "a fox"],
        ["mask", new Blob([png])],
      ]),
  ],
] as const)("refuses %s", async (_, order) => {
  expect(await refusalOf(order())).toMatchObject({ status: 422, error: { code: "REQUEST_INVALID" } });
});

it("gives the first video back for the same key and order in another spelling, and refuses another order", async () => {
  const key = { "idempotency-key": "order-1" };
  const first = await create({}, key);
  const again = await send({ prompt: small.prompt, width: 854, height: "480", num_frames: 32 }, key);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect((await videoIn(again)).id).toBe(first.id);
  const other = await send({ ...small, seconds: "3" }, key);
  expect(other.headers.get("x-should-retry")).toBe("false");
  expect(await refusalOf(other)).toMatchObject({ status: 409, error: { code: "IDEMPOTENCY_KEY_REUSED" } });
  expect((await listed()).data).toHaveLength(1);
});
