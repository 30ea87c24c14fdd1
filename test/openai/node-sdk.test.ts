/** OpenAI's package for Node.js against the real service: what it makes of our answers is what its users see. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI, { APIError, toFile } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clock, until } from "../harness/running-service.ts";
import { countFrames } from "../harness/tasks.ts";
import { drawPicture, type HeldService, startHeldService } from "./held-service.ts";

type SdkVideo = OpenAI.Videos.Video;
/** The package passes on what it does not know. */
type Video = SdkVideo & {
  readonly understudy: { readonly served_by: { readonly kind: string } | null; readonly allow: readonly string[] };
};

let service: HeldService;
let client: OpenAI;
beforeAll(async () => {
  service = await startHeldService();
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "none" });
}, 60_000);
afterAll(() => service.end());

const small = {
  prompt: "a red fox runs across fresh snow",
  size: "854x480" as "1280x720",
  seconds: "1" as "4",
  num_inference_steps: 6,
};
/** Further fields are for the service to know. */
const order = (fields: Record<string, unknown> = {}) =>
  client.videos.create({ ...small, ...fields }) as Promise<SdkVideo>;
const look = async (id: string): Promise<Video> => (await client.videos.retrieve(id)) as Video;
const isOpen = ({ status }: SdkVideo): boolean => status === "queued" || status === "in_progress";
const ended = (id: string): Promise<Video> =>
  until(
    "the video has ended",
    async () => {
      const video = await look(id);
      return isOpen(video) ? null : video;
    },
    120_000,
  );

async function framesOf(answer: Response, name: string): Promise<number> {
  const path = join(service.stateDir, name);
  writeFileSync(path, new Uint8Array(await answer.arrayBuffer()));
  return countFrames(path);
}

async function refusalOf(call: Promise<unknown>) {
  const thrown = await call.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof APIError)) throw new Error("nothing was refused");
  const { status, code, param, type, requestID } = thrown;
  expect(requestID).toMatch(/^[0-9a-f-]{36}$/);
  return { name: thrown.constructor.name, status, code, param, type };
}

it("shows a stand-in as in progress, never as completed, and then the real video", { timeout: 180_000 }, async () => {
  const { id } = await order({ understudy: { allow: ["frames"], fallback: "stand_in_then_real" } });
  const standing = await until("a stand-in is shown", async () => {
    const video = await look(id);
    return video.understudy.served_by === null ? null : video;
  });
  expect(standing).toMatchObject({ status: "in_progress", progress: 0, completed_at: null, error: null });
  expect(standing.understudy).toMatchObject({ served_by: { kind: "stand_in" }, allow: ["frames"] });

  const startedAtMs = clock.nowMs();
  const refusal = await refusalOf(client.videos.downloadContent(id));
  expect(refusal).toMatchObject({ name: "ConflictError", status: 409, code: "JOB_STATE_CONFLICT" });
  // It would try a conflict twice more, after 0.4 s at least.
  expect(clock.nowMs() - startedAtMs).toBeLessThan(400);
  const clip = await client.videos.downloadContent(id, { variant: "standin" as "video" });
  expect(clip.headers.get("x-understudy-served-by")).toBe("stand_in");
  expect(await framesOf(clip, "stand-in.mp4")).toBeGreaterThan(0);

  service.letGo();
  const video = await ended(id);
  expect(video).toMatchObject({ status: "completed", model: "T2V-A14B", progress: 100, seconds: "1", size: "854x480" });
  expect(video.understudy.served_by?.kind).toBe("real");
  const real = await client.videos.downloadContent(id);
  expect(real.headers.get("x-understudy-served-by")).toBe("real");
  expect(await framesOf(real, "real.mp4")).toBe(16);
});

it("orders with an image, is told when to ask again, lists, downloads and deletes", { timeout: 180_000 }, async () => {
  const image = await toFile(drawPicture(), "first.png", { type: "image/png" });
  const { id } = await order({ model: "TI2V-5B", input_reference: image });
  const pollAfterMs = await until("a time is told", async () => {
    const { response, data } = await client.videos.retrieve(id).withResponse();
    return isOpen(data) ? response.headers.get("openai-poll-after-ms") : "ended";
  });
  expect(Number(pollAfterMs)).toBeGreaterThanOrEqual(250);
  expect(await ended(id)).toMatchObject({ status: "completed", model: "TI2V-5B", seconds: "1" });

  const listed: string[] = [];
  for await (const video of client.videos.list({ limit: 1 })) listed.push(video.id);
  expect(listed).toHaveLength(2);
  expect(listed[0]).toBe(id);
  const oldest = await client.videos.list({ order: "asc", limit: 2 });
  expect(oldest.data.map((video) => video.id)).toEqual(listed.toReversed());
  expect(await framesOf(await client.videos.downloadContent(id), "ordered.mp4")).toBe(24);
  const frame = await client.videos.downloadContent(id, { variant: "thumbnail" });
  expect(frame.headers.get("content-type")).toBe("image/jpeg");

  expect(await client.videos.delete(id)).toEqual({ id, deleted: true, object: "video.deleted" });
  expect(await refusalOf(client.videos.retrieve(id))).toMatchObject({
    name: "NotFoundError",
    status: 404,
    code: "JOB_NOT_FOUND",
  });
});

it("cancels a video in hand by deleting it", { timeout: 60_000 }, async () => {
  const { id } = await order({ num_inference_steps: 60 });
  await until("it is rendered", async () => (await look(id)).status === "in_progress");
  await until("it is deleted", async () => (await client.videos.delete(id)).deleted);
  const left = await client.videos.list();
  expect(left.data.map((video) => video.id)).not.toContain(id);
});

it("gives the same video for the same key", async () => {
  const headers = { "Idempotency-Key": "order-1" };
  const first = await client.videos.create(small, { headers });
  const again = await client.videos.create(small, { headers });
  expect(again.id).toBe(first.id);
  await client.videos.delete(first.id);
});

it("lifts field and code of a refusal, and tries nothing twice that is not done here", async () => {
  expect(await refusalOf(order({ size: "720x1280" }))).toEqual({
    name: "UnprocessableEntityError",
    status: 422,
    code: "REQUEST_INVALID",
    param: "size",
    type: "invalid_request_error",
  });
  const once = client.withOptions({ maxRetries: 0 });
  expect(await refusalOf(once.videos.remix("any", { prompt: "another fox" }))).toMatchObject({
    status: 501,
    code: "FEATURE_UNSUPPORTED",
  });
  const byAddress = order({ input_reference: { image_url: "https://example.org/fox.png" } });
  expect(await refusalOf(byAddress)).toMatchObject({ status: 422, code: "IMAGE_ADDRESS_REFUSED" });
});

it("lists the models", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toEqual(["T2V-A14B", "I2V-A14B", "TI2V-5B"]);
  expect(await client.models.retrieve("T2V-A14B")).toMatchObject({ id: "T2V-A14B", object: "model" });
});
