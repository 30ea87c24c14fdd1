import { existsSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import { modelListSchema } from "../../src/contract/videos-wire.ts";
import { dayMs } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";
import { refusalOf, videoIn, videosClient } from "./videos-client.ts";

const clock = createVirtualClock();
let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(clock, { maxQueuedJobs: 50 });
});
afterEach(() => world.close());

const { create, get, listed, remove, specOf, videoOf } = videosClient(() => world);

it("shows a finished video as completed, by the model that served and with what was really made", async () => {
  const { id } = await create();
  await world.finish();
  const video = await videoOf(id);
  expect(video).toMatchObject({
    status: "completed",
    progress: 100,
    model: "T2V-A14B",
    size: "854x480",
    seconds: "2",
    error: null,
  });
  expect(video.expires_at).toBe(Number(video.completed_at) + (30 * dayMs) / 1_000);
  expect(video.understudy).toMatchObject({
    served_by: { worker: "worker-0", kind: "real", simulated: true },
    effective: { size: "854x480", num_frames: 32 },
    queue_position: null,
    eta_seconds: null,
  });
});

it("shows what was changed with the order's consent, as values of the video and in the headers", async () => {
  const { id } = await create({ seconds: "5", understudy: { allow: ["frames", "alternative_model"] } });
  const lease = await world.claim();
  const request = { ...lease.spec.request, frames: 48, model: "TI2V-5B" };
  const changes = [
    { field: "frames", from: 80, to: 48, why: "it did not fit" },
    { field: "model", from: "T2V-A14B", to: "TI2V-5B", why: "it did not fit" },
  ];
  await world.store.jobs.notePlan(lease, { request, changes });
  expect((await videoOf(id)).understudy).toMatchObject({ effective: { num_frames: 48, model: "TI2V-5B" }, changes });
  const artifact = await world.publish(id, "result", "a video");
  await world.store.jobs.commit(lease, artifact, {
    servedBy: { worker: "worker-0", model: "TI2V-5B", kind: "real", isSimulated: true },
    effective: request,
    changes,
    renderedSize: "854x480",
    durationSeconds: 3,
    renderMs: 9_000,
    stepsRendered: 40,
  });
  const answer = await get(`/v1/videos/${id}`);
  expect(answer.headers.get("x-understudy-changes")).toBe("frames=80->48, model=T2V-A14B->TI2V-5B");
  const video = await videoIn(answer);
  expect(video).toMatchObject({ status: "completed", model: "TI2V-5B", seconds: "3" });
  expect(video.understudy).toMatchObject({ requested: { model: "T2V-A14B", seconds: "5" }, changes });
});

it("shows a stand-in as in progress, serves it under its own name only, and then gives way to the real video", async () => {
  const { id } = await create();
  await world.standIn(id, "a stand-in");
  const standing = await get(`/v1/videos/${id}`);
  expect(standing.headers.get("x-understudy-served-by")).toBe("stand_in");
  const video = await videoIn(standing);
  expect(video).toMatchObject({ status: "in_progress", progress: 0, completed_at: null });
  expect(video.understudy).toMatchObject({
    served_by: { kind: "stand_in" },
    stand_in: { url: `/v1/videos/${id}/content?variant=standin`, reason: "the worker is being restarted" },
  });
  expect((await listed()).data[0]?.status).toBe("in_progress");
  const early = get(`/v1/videos/${id}/content`);
  expect((await early).headers.get("x-should-retry")).toBe("false");
  expect(await refusalOf(early)).toMatchObject({ status: 409, error: { code: "JOB_STATE_CONFLICT" } });
  const standIn = await get(`/v1/videos/${id}/content?variant=standin`);
  expect(standIn.headers.get("x-understudy-served-by")).toBe("stand_in");
  expect(await standIn.text()).toBe("a stand-in");

  await world.finish("the real video");
  expect(await videoOf(id)).toMatchObject({ status: "completed", understudy: { served_by: { kind: "real" } } });
  const real = await get(`/v1/videos/${id}/content`);
  expect(real.headers.get("x-understudy-served-by")).toBe("real");
  expect(real.headers.get("x-understudy-simulated")).toBe("true");
  expect(real.headers.get("content-type")).toBe("video/mp4");
  expect(await real.text()).toBe("the real video");
});

it("ends as failed where a stand-in alone was asked for, and keeps the clip", async () => {
  const { id } = await create({ understudy: { fallback: "stand_in" } });
  await world.standIn(id);
  const { request } = await specOf(id);
  const result = {
    servedBy: { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false },
    effective: request,
    changes: [],
    renderedSize: "854x480",
    durationSeconds: 2,
    renderMs: 0,
    stepsRendered: 0,
  } as const;
  await world.store.jobs.endQueued(id, { kind: "stoodIn", result });
  expect(await videoOf(id)).toMatchObject({
    status: "failed",
    model: "T2V-A14B",
    completed_at: null,
    error: { code: "standin_only" },
  });
  expect((await get(`/v1/videos/${id}/content?variant=standin`)).status).toBe(200);
  expect((await get(`/v1/videos/${id}/content`)).status).toBe(404);
});

it("tells why a video failed or was cancelled", async () => {
  const failed = await create({ understudy: { fallback: "fail" } });
  await world.store.jobs.endQueued(failed.id, { kind: "failed", code: "NO_REAL_ROUTE", message: "No worker can." });
  expect(await videoOf(failed.id)).toMatchObject({
    status: "failed",
    error: { code: "NO_REAL_ROUTE", message: "No worker can." },
  });
  const cancelled = await create();
  await world.store.jobs.cancel(cancelled.id, "client:local");
  expect(await videoOf(cancelled.id)).toMatchObject({ status: "failed", error: { code: "cancelled" } });
});

it("steers how often a client asks by what renders here really took, and by what is left of this one", async () => {
  expect((await get(`/v1/videos/${(await create()).id}`)).headers.get("openai-poll-after-ms")).toBeNull();
  world.promise = { ...world.promise, expectedAtMs: clock.nowMs() + 90_000 };
  const waiting = await create();
  const queued = await get(`/v1/videos/${waiting.id}`);
  expect(queued.headers.get("openai-poll-after-ms")).toBe("9000");
  expect((await videoIn(queued)).understudy).toMatchObject({
    queue_position: 1,
    eta_seconds: 90,
    promise: { kind: "realNow", sentence: world.status.sentence, eta_ms: 90_000 },
  });
  await world.claim();
  const progress = {
    jobId: waiting.id,
    workerId: "worker-0",
    phase: "denoise",
    step: 5,
    of: 12,
    ratio: 0.428,
    atMs: 0,
    etaMs: 4_200,
  } as const;
  world.progress.set(waiting.id, progress);
  const running = await get(`/v1/videos/${waiting.id}`);
  expect(running.headers.get("openai-poll-after-ms")).toBe("420");
  expect(await videoIn(running)).toMatchObject({
    status: "in_progress",
    progress: 42,
    understudy: { phase: "denoise", eta_seconds: 5, queue_position: null, effective: { num_frames: 32 } },
  });
  world.progress.set(waiting.id, { ...progress, etaMs: 600_000 });
  expect((await get(`/v1/videos/${waiting.id}`)).headers.get("openai-poll-after-ms")).toBe("10000");
});

it("lists a page at a time in either order", async () => {
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    await clock.advance(10);
    ids.push((await create()).id);
  }
  const newest = await listed("?limit=2");
  expect(newest).toMatchObject({ object: "list", first_id: ids[4], last_id: ids[3], has_more: true });
  const rest = await listed(`?limit=3&after=${newest.last_id}`);
  expect(rest.data.map(({ id }) => id)).toEqual([ids[2], ids[1], ids[0]]);
  expect(rest.has_more).toBe(false);
  const oldest = await listed(`?order=asc&limit=2&after=${ids[1]}`);
  expect(oldest.data.map(({ id }) => id)).toEqual([ids[2], ids[3]]);
  expect(await listed(`?after=${ids[0]}`)).toEqual({
    object: "list",
    data: [],
    first_id: null,
    last_id: null,
    has_more: false,
  });
});

it.each(["?limit=0", "?limit=101", "?limit=x", "?order=up", "?after=unknown"])("refuses a list %s", async (query) => {
  expect(await refusalOf(get(`/v1/videos${query}`))).toMatchObject({ status: 422, error: { code: "REQUEST_INVALID" } });
});

it("deletes a finished video with its files, and cancels and deletes one that waits", async () => {
  const finished = await create();
  const { artifact } = await world.finish();
  const waiting = await create();
  for (const { id } of [finished, waiting]) {
    expect(await (await remove(id)).json()).toEqual({ id, object: "video.deleted", deleted: true });
    expect((await get(`/v1/videos/${id}`)).status).toBe(404);
  }
  expect(existsSync(world.artifacts.pathOf(artifact))).toBe(false);
  expect(await refusalOf(remove(finished.id))).toMatchObject({ status: 404, error: { code: "JOB_NOT_FOUND" } });
});

it("says that a video is not deleted while its render has not let the card go, and cancels it", async () => {
  const { id } = await create();
  const lease = await world.claim();
  const answer = remove(id);
  await clock.advance(10_000);
  expect(await (await answer).json()).toEqual({ id, object: "video.deleted", deleted: false });
  expect((await videoOf(id)).understudy.cancel_requested).toBe(true);
  const again = remove(id);
  await clock.advance(1_000);
  await world.store.jobs.confirmCancel(lease);
  expect(await (await again).json()).toMatchObject({ deleted: true });
});

it("answers what it does not do with 501 and a code", async () => {
  const { id } = await create();
  const post = (path: string) =>
    world.app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"prompt":"x"}',
    });
  const answers = [
    get(`/v1/videos/${id}/content?variant=spritesheet`),
    post(`/v1/videos/${id}/remix`),
    post("/v1/videos/edits"),
    post("/v1/videos/extensions"),
  ];
  for (const answer of answers)
    expect(await refusalOf(answer)).toMatchObject({ status: 501, error: { code: "FEATURE_UNSUPPORTED" } });
});

it("gives a frame of the finished video and no frame of a stand-in", async () => {
  const { id } = await create();
  await world.standIn(id);
  expect((await get(`/v1/videos/${id}/content?variant=thumbnail`)).status).toBe(409);
  await world.finish();
  const frame = await get(`/v1/videos/${id}/content?variant=thumbnail`);
  expect(frame.headers.get("content-type")).toBe("image/jpeg");
  expect(await frame.text()).toBe("a thumbnail");
  expect((await get(`/v1/videos/${id}/content?variant=poster`)).status).toBe(422);
});

it.each([
  ["nothing of itself", {}, { "content-range": null, status: 200 }, "the real video"],
  ["a part", { range: "bytes=4-7" }, { "content-range": "bytes 4-7/14", status: 206 }, "real"],
])("serves a file by %s", async (_, headers, expected, text) => {
  const { id } = await create();
  await world.finish("the real video");
  const answer = await get(`/v1/videos/${id}/content`, headers);
  expect({ "content-range": answer.headers.get("content-range"), status: answer.status }).toEqual(expected);
  expect(await answer.text()).toBe(text);
});

it("lists the models and shows each", async () => {
  const { data } = modelListSchema.parse(await (await get("/v1/models")).json());
  expect(data.map(({ id, understudy }) => [id, understudy.is_main_model, understudy.needs_image])).toEqual([
    ["T2V-A14B", true, false],
    ["I2V-A14B", false, true],
    ["TI2V-5B", false, false],
  ]);
  expect(await (await get("/v1/models/TI2V-5B")).json()).toEqual(data[2]);
  expect(await refusalOf(get("/v1/models/sora-2"))).toMatchObject({
    status: 404,
    error: { code: "NOT_FOUND", param: "model" },
  });
});

it("needs a key where there is one, as OpenAI's clients send it", async () => {
  await world.close();
  world = createServerWorld(clock, { apiKey: "a-key-of-sixteen-characters" });
  expect(await refusalOf(get("/v1/videos"))).toMatchObject({ status: 401, error: { code: "UNAUTHENTICATED" } });
  expect((await get("/v1/videos", { authorization: "Bearer a-key-of-sixteen-characters" })).status).toBe(200);
});
