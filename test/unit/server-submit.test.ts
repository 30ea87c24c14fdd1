import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { problemSchema } from "../../src/contract/problem.ts";
import { submittedSchema } from "../../src/contract/task-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, png, type ServerWorld, smallJob } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock(), { maxQueuedJobs: 5 });
});
afterEach(() => world.close());

function form(fields: Record<string, string | Blob>): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return body;
}
const textFields = {
  model_type: "T2V-A14B",
  prompt: "a fox",
  resolution: "854x480",
  steps: "12",
  lora_strength: "0.5",
  num_frames: "33",
};
const postForm = (
  fields: Record<string, string | Blob>,
  path = "/api/v1/generation/submit",
  headers: Record<string, string> = {},
) => world.app.request(path, { method: "POST", headers, body: form(fields) });
const post = (body: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
  world.app.request("/api/v1/generation/submit", { method: "POST", headers: { "content-type": type }, body });

it("answers a submission with the predecessor's fields once the job is in the store", async () => {
  const answer = await world.submit();
  expect(answer.status).toBe(200);
  const body = submittedSchema.parse(await answer.json());
  expect(body).toMatchObject({
    status: "pending",
    message: "A video made now comes from the main model.",
    real_ai_enabled: true,
    is_mock: false,
    simulated: true,
  });
  expect(body.parameters).toMatchObject({
    model_type: "T2V-A14B",
    resolution: "854x480",
    steps: 12,
    image_path: null,
    lora_path: null,
    lora_strength: 1,
  });
  const job = await world.store.jobs.get(body.task_id);
  expect(job?.spec.request).toMatchObject({
    width: 854,
    height: 480,
    frames: 33,
    framesPerSecond: 16,
    steps: 12,
    loraPath: null,
  });
  expect(job?.spec.consent).toEqual({
    fallback: "stand_in_then_real",
    allow: ["frames", "resolution"],
    floor: { width: 854, height: 480, frames: 33 },
  });
});

it("takes a multipart form with numbers as text", async () => {
  const answer = await postForm(textFields);
  const body = submittedSchema.parse(await answer.json());
  expect(body.parameters).toMatchObject({ steps: 12, lora_strength: 0.5, num_frames: 33 });
});

it("takes the predecessor's other spellings, ignores unknown keys and numbers sent as JSON texts", async () => {
  const answer = await post(
    JSON.stringify({
      modelType: "TI2V-5B",
      prompt: "a fox",
      steps: "20",
      loraStrength: "0.25",
      loraPath: "fox.safetensors",
      theme: "dark",
    }),
  );
  const body = submittedSchema.parse(await answer.json());
  expect(body.parameters).toMatchObject({
    model_type: "TI2V-5B",
    steps: 20,
    lora_strength: 0.25,
    lora_path: "fox.safetensors",
    resolution: "1280x720",
  });
});

it("takes frames, rate, seed and consent on /generate", async () => {
  const answer = await postForm(
    { ...textFields, num_frames: "49", fps: "24", seed: "7", fallback: "wait", allow: "frames, alternative_model" },
    "/api/v1/generate",
  );
  const { task_id } = submittedSchema.parse(await answer.json());
  const job = await world.store.jobs.get(task_id);
  expect(job?.spec.request).toMatchObject({ frames: 49, framesPerSecond: 24, seed: 7 });
  expect(job?.spec.consent).toMatchObject({ fallback: "wait", allow: ["frames", "alternative_model"] });
});

it.each([
  ["no prompt", { prompt: undefined }, "prompt"],
  ["a blank prompt", { prompt: "  \n" }, "prompt"],
  ["a prompt that is too long", { prompt: "x".repeat(501) }, "prompt"],
  ["a prompt that is no text", { prompt: { toString: "x" } }, "prompt"],
  ["an unknown model", { model_type: "SVD" }, "model_type"],
  ["an unknown size", { resolution: "640x480" }, "resolution"],
  ["no steps", { steps: 0 }, "steps"],
  ["too many steps", { steps: 101 }, "steps"],
  ["half a step", { steps: 1.5 }, "steps"],
  ["steps that are no number", { steps: "many" }, "steps"],
  ["steps as hexadecimal text", { steps: "0x10" }, "steps"],
  ["steps as a list", { steps: [5] }, "steps"],
  ["a strength above 2", { lora_strength: 2.5 }, "lora_strength"],
  ["a LoRA outside its directory", { lora_path: "../../etc/passwd" }, "lora_path"],
  ["an absolute LoRA", { lora_path: "/etc/x.safetensors" }, "lora_path"],
  ["a LoRA that could run code", { lora_path: "fox.pt" }, "lora_path"],
  ["frames beyond the limit", { num_frames: 1e9 }, "num_frames"],
  ["an unknown fallback", { fallback: "maybe" }, "fallback"],
  ["an unknown change", { allow: ["steps"] }, "allow"],
  ["an image that is no file", { image: {} }, "image"],
])("refuses %s with 422 and names the field", async (_what, fields, param) => {
  const answer = await world.submit(fields);
  expect(answer.status).toBe(422);
  const problem = problemSchema.parse(await answer.json());
  expect(problem).toMatchObject({ code: "REQUEST_INVALID", error: { param } });
  expect(problem.detail).toBe(problem.message);
  expect((await world.store.jobs.counts()).queued).toBe(0);
});

it("says which models there are, as the predecessor does", async () => {
  const answer = await world.submit({ model_type: "SVD" });
  expect(await answer.json()).toMatchObject({
    detail: "Invalid model type. Must be one of: ['T2V-A14B', 'I2V-A14B', 'TI2V-5B']",
  });
});

it.each([
  ["nothing", ""],
  ["half an object", '{"prompt":'],
  ["a number that JSON does not know", '{"steps":NaN}'],
  ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x00])],
  ["a very deep list that never closes", "[".repeat(200_000)],
])("answers 400 to %s", async (_what, body) => {
  const answer = await post(body);
  expect(answer.status).toBe(400);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(problemSchema.parse(await answer.json()).code).toBe("REQUEST_MALFORMED");
});

it.each(["[]", "null", '"text"', "7", `${"[".repeat(5_000)}${"]".repeat(5_000)}`])(
  "answers 422 to a body that is no object",
  async (body) => {
    expect((await post(body)).status).toBe(422);
    expect(world.defects).toEqual([]);
  },
);

it("answers 422 to a number that is too large for a number", async () => {
  expect((await post('{"model_type":"T2V-A14B","prompt":"a","steps":1e999}')).status).toBe(422);
});

it("answers 400 to a form whose boundary is missing and 415 to what it does not read", async () => {
  expect((await post("--x\r\nbroken", "multipart/form-data")).status).toBe(400);
  expect((await post("--x\r\nbroken", "multipart/form-data; boundary=x")).status).toBe(400);
  const plain = await post("prompt", "text/plain");
  expect([plain.status, ((await plain.json()) as { code: string }).code]).toEqual([415, "MEDIA_TYPE_UNSUPPORTED"]);
});

it("keeps a prompt as it is, whatever its characters", async () => {
  const prompt = "狐 🦊 \u0000 \ud83d ' ; drop table jobs; -- __proto__";
  const id = await world.submitted({ prompt, __proto__: { steps: 3 }, constructor: 1 });
  expect((await world.store.jobs.get(id))?.spec.request.prompt).toBe(prompt);
});

it("needs an image for the model that does, and takes a real one", async () => {
  const without = await world.submit({ model_type: "I2V-A14B" });
  expect(without.status).toBe(422);
  expect(await without.json()).toMatchObject({ detail: "image is required for I2V-A14B" });
  const withImage = await postForm({
    ...textFields,
    model_type: "I2V-A14B",
    image: new File([png], "fox.png", { type: "image/png" }),
  });
  expect(withImage.status).toBe(200);
  expect(submittedSchema.parse(await withImage.json()).warnings).toEqual([
    expect.stringContaining("no worker of this service reads images"),
  ]);
  expect((await world.submit({ model_type: "TI2V-5B" })).status).toBe(200);
});

it("keeps the image with the job, through a repeated submission too, and gives it to nobody", async () => {
  const image = new File([png], "fox.png", { type: "image/png" });
  const fields = { ...textFields, model_type: "I2V-A14B", image };
  const first = submittedSchema.parse(await (await postForm(fields, undefined, { "idempotency-key": "k" })).json());
  const again = submittedSchema.parse(await (await postForm(fields, undefined, { "idempotency-key": "k" })).json());
  expect(again.task_id).toBe(first.task_id);
  const job = await world.store.jobs.get(first.task_id);
  const [kept] = job?.artifacts ?? [];
  expect(kept).toMatchObject({ kind: "image", mimeType: "image/png", bytes: png.length });
  expect(job?.spec.request.imageName).toBe(kept?.name);
  expect(readFileSync(world.artifacts.pathOf({ name: kept?.name ?? "" }))).toEqual(Buffer.from(png));
  expect(await world.store.jobs.listArtifactNames()).toEqual(new Set([kept?.name]));
  expect((await world.app.request(`/artifacts/${kept?.sha256}`)).status).toBe(404);
});

it("judges an image by its content, not by its name", async () => {
  const withImage = { ...textFields, model_type: "I2V-A14B" };
  const answer = await postForm({ ...withImage, image: new File(["#!/bin/sh"], "fox.png", { type: "image/png" }) });
  expect(answer.status).toBe(422);
  const large = new Uint8Array(10 * 1024 * 1024 + 1);
  large.set(png);
  expect((await postForm({ ...withImage, image: new File([large], "fox.png") })).status).toBe(422);
  const webp = new TextEncoder().encode("RIFF0000WEBPVP8 ");
  expect((await postForm({ ...withImage, image: new File([webp], "fox") })).status).toBe(422);
  expect((await postForm({ ...withImage, image: new File([png], "fox.webp", { type: "image/webp" }) })).status).toBe(
    200,
  );
});

it("gives the first job back when an idempotency key comes again, in any spelling, and 409 for another request", async () => {
  const headers = { "idempotency-key": "k-1" };
  const first = await (await world.submit({ steps: 12 }, headers)).json();
  const again = await world.submit({ steps: "12", lora_path: "", unknown: 1 }, headers);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(await again.json()).toEqual(first);
  const other = await world.submit({ steps: 13 }, headers);
  expect(other.status).toBe(409);
  expect(other.headers.get("x-should-retry")).toBe("false");
  expect(problemSchema.parse(await other.json()).code).toBe("IDEMPOTENCY_KEY_REUSED");
  expect((await world.store.jobs.counts()).queued).toBe(1);
});

it("counts the image's content as part of the request that a key belongs to", async () => {
  const send = (bytes: Uint8Array<ArrayBuffer>) =>
    world.app.request("/api/v1/generate", {
      method: "POST",
      headers: { "idempotency-key": "k-2" },
      body: form({ ...textFields, model_type: "I2V-A14B", image: new File([bytes], "a.png") }),
    });
  expect((await send(png)).status).toBe(200);
  expect((await send(png)).status).toBe(200);
  expect((await send(new Uint8Array([...png, 1]))).status).toBe(409);
});

it("refuses an idempotency key that is no key", async () => {
  expect((await world.submit({}, { "idempotency-key": "x".repeat(256) })).status).toBe(422);
});

it("says how long to wait when the queue or the disk is full or the service stops", async () => {
  for (let number = 0; number < 5; number += 1) expect((await world.submit()).status).toBe(200);
  const full = await world.submit();
  expect([full.status, full.headers.get("retry-after")]).toEqual([429, "30"]);
  world.status = { ...world.status, mode: "draining" };
  const draining = await world.submit();
  expect(draining.status).toBe(503);
  expect(Number(draining.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(problemSchema.parse(await draining.json())).toMatchObject({
    code: "DRAINING",
    error: { type: "server_error" },
  });
});

it("accepts nothing while the disk is below its floor", async () => {
  world.freeBytes = 10;
  const answer = await world.submit();
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "60"]);
});

it("says in the answer that only stand-ins are possible now", async () => {
  world.status = {
    ...world.status,
    mode: "mock",
    isDegradedActive: true,
    sentence: "Stand-ins only: no real video right now.",
  };
  world.promise = { ...world.promise, kind: "standInThenReal", because: "standingIn" };
  const body = submittedSchema.parse(await (await post(JSON.stringify(smallJob))).json());
  expect(body).toMatchObject({
    real_ai_enabled: false,
    hardware_optimized: false,
    message: "Stand-ins only: no real video right now.",
  });
});

const loras = [
  { name: "styles/ink.safetensors", strength: 0.5, expert: "high" },
  { name: "grain.safetensors", strength: "1", expert: undefined },
];

it("takes several LoRAs, each with its strength and the expert that it changes, in a form as JSON", async () => {
  const taken = [
    { name: "styles/ink.safetensors", strength: 0.5, expert: "high" },
    { name: "grain.safetensors", strength: 1, expert: "both" },
  ];
  for (const answer of [
    await world.submit({ loras }),
    await postForm({ ...textFields, loras: JSON.stringify(loras) }),
  ]) {
    const { task_id: id, parameters } = submittedSchema.parse(await answer.json());
    expect(parameters.loras).toEqual(taken);
    expect((await world.store.jobs.get(id))?.spec.request.loras).toEqual(taken);
  }
});

it.each([
  ["a path above the folder", [{ name: "../ink.safetensors" }]],
  ["a pickle", [{ name: "ink.pt" }]],
  ["an unknown expert", [{ name: "ink.safetensors", expert: "third" }]],
  ["no list", "ink.safetensors"],
  ["too many", Array.from({ length: 9 }, () => ({ name: "ink.safetensors" }))],
])("refuses LoRAs with %s", async (_, given) => {
  const answer = await world.submit({ loras: given });
  expect([answer.status, problemSchema.parse(await answer.json())]).toMatchObject([
    422,
    { code: "REQUEST_INVALID", error: { param: "loras" } },
  ]);
});

it.each([{ lora_path: "ink.safetensors" }, { loras: [{ name: "ink.safetensors" }] }])(
  "answers 422 LORA_UNSUPPORTED where no worker takes LoRAs, and the same without one is taken: %j",
  async (fields) => {
    world.takesLoras = false;
    const answer = await world.submit(fields);
    expect([answer.status, problemSchema.parse(await answer.json())]).toMatchObject([
      422,
      { code: "LORA_UNSUPPORTED" },
    ]);
    expect((await world.submit()).status).toBe(200);
  },
);
