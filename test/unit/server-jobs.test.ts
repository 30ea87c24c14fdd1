import { afterEach, beforeEach, expect, it } from "vitest";
import { outputsSchema, videoSchema } from "../../src/contract/output-wire.ts";
import { problemSchema } from "../../src/contract/problem.ts";
import { jobStatusSchema, queueSchema } from "../../src/contract/task-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { makeFailure, suspectedDeath } from "./job-store-world.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

const clock = createVirtualClock();
let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(clock);
});
afterEach(() => world.close());

const get = async (path: string): Promise<unknown> => (await world.app.request(path)).json();
const taskOf = async (id: string) => jobStatusSchema.parse(await get(`/api/v1/generate/${id}`));
const queue = async (query = "") => queueSchema.parse(await get(`/api/v1/queue${query}`));
const cancel = (id: string) => world.app.request(`/api/v1/queue/${id}/cancel`, { method: "POST" });

it("shows a waiting, a running and a finished job, newest first, with counts", async () => {
  const first = await world.submitted({ prompt: "first" });
  await world.finish();
  await clock.advance(10);
  const second = await world.submitted({ prompt: "second" });
  await world.claim();
  world.progress.set(second, {
    jobId: second,
    workerId: "worker-0",
    phase: "denoise",
    step: 5,
    of: 12,
    ratio: 0.428,
    atMs: clock.nowMs(),
    etaMs: 4_200,
  });
  await clock.advance(10);
  const third = await world.submitted({ prompt: "third" });
  const body = await queue();
  expect(body.tasks.map(({ id, status, progress }) => [id, status, progress])).toEqual([
    [third, "pending", 0],
    [second, "processing", 42],
    [first, "completed", 100],
  ]);
  expect(body).toMatchObject({
    total_tasks: 3,
    pending_tasks: 1,
    processing_tasks: 1,
    completed_tasks: 1,
    failed_tasks: 0,
    cancelled_tasks: 0,
  });
  expect(body.queue.map((task) => task.model_type)).toEqual(["t2v", "t2v", "t2v"]);
  expect(body.tasks[1]).toMatchObject({ phase: "denoise", eta_seconds: 5 });
  expect(JSON.stringify(body)).not.toContain("null");
});

it("filters by status and by limit, and refuses others", async () => {
  await world.submitted();
  await clock.advance(10);
  await world.submitted();
  expect((await queue("?limit=1")).tasks).toHaveLength(1);
  expect((await queue("?status_filter=pending")).tasks).toHaveLength(2);
  expect((await queue("?status_filter=failed")).tasks).toHaveLength(0);
  expect((await world.app.request("/api/v1/queue?status_filter=asleep")).status).toBe(400);
  for (const limit of ["0", "-1", "1001", "many", "1e3", ""])
    expect((await world.app.request(`/api/v1/queue?limit=${limit}`)).status).toBe(422);
});

it("never calls a stand-in real: completed, labelled, and the real video still owed", async () => {
  const id = await world.submitted();
  await world.standIn(id);
  expect(await taskOf(id)).toMatchObject({
    status: "completed",
    progress: 100,
    is_mock: true,
    real_result: "pending",
    served_by: { kind: "stand_in" },
    stand_in_reason: "the worker is being restarted",
    message: "A stand-in is shown; the real video is still owed.",
  });
  expect(await queue()).toMatchObject({ pending_tasks: 1, completed_tasks: 0 });
  const shown = await world.app.request(`/api/v1/outputs/${id}/video`);
  expect(shown.headers.get("x-understudy-served-by")).toBe("stand_in");
});

it("replaces the stand-in by the real video under the same address, and keeps one entry", async () => {
  const id = await world.submitted();
  const standIn = await world.standIn(id);
  const before = await world.app.request(`/api/v1/outputs/${id}/video`);
  const { artifact } = await world.finish("the real video");
  const after = await world.app.request(`/api/v1/outputs/${id}/video`, {
    headers: { "if-none-match": `"${standIn.sha256}"` },
  });
  expect([before.headers.get("etag"), after.headers.get("etag")]).toEqual([
    `"${standIn.sha256}"`,
    `"${artifact.sha256}"`,
  ]);
  expect(await after.text()).toBe("the real video");
  const outputs = outputsSchema.parse(await get("/api/v1/outputs"));
  expect(outputs.videos).toHaveLength(1);
  expect(outputs.videos[0]).toMatchObject({
    id,
    is_mock: false,
    real_result: "delivered",
    served_by: { kind: "real", simulated: true },
    simulated: true,
  });
});

it("says what became of the real video when it is cancelled or fails under a stand-in", async () => {
  const cancelled = await world.submitted();
  await world.standIn(cancelled);
  expect(await (await cancel(cancelled)).json()).toEqual({ message: "Task cancelled", task_id: cancelled });
  expect(await taskOf(cancelled)).toMatchObject({ status: "completed", is_mock: true, real_result: "cancelled" });
  const failed = await world.submitted();
  await world.standIn(failed, "another stand-in");
  const lease = await world.claim();
  const about = { code: "WORKER_ERROR", message: "CUDA error", isRetryable: false } as const;
  await world.store.jobs.fail(lease, makeFailure(clock.nowMs(), about));
  expect(await taskOf(failed)).toMatchObject({
    status: "completed",
    is_mock: true,
    real_result: "failed",
    error_message: "CUDA error",
    error_code: "WORKER_ERROR",
  });
});

it("says that a deadline ended what a stand-in was for", async () => {
  const id = await world.submitted();
  await world.standIn(id);
  await clock.advance(86_400_001);
  await world.store.jobs.sweep();
  expect(await taskOf(id)).toMatchObject({ status: "completed", is_mock: true, real_result: "expired" });
});

it("shows a job that was set aside as failed", async () => {
  const id = await world.submitted();
  for (let death = 0; death < 2; death += 1) {
    const lease = await world.claim();
    await world.store.jobs.fail(lease, makeFailure(clock.nowMs(), suspectedDeath));
  }
  expect(await taskOf(id)).toMatchObject({ status: "failed", is_mock: false, attempts: 2 });
});

it("cancels a waiting job once, asks for the end of a running one, and knows no others", async () => {
  const waiting = await world.submitted();
  expect((await cancel(waiting)).status).toBe(200);
  const again = await cancel(waiting);
  expect(again.status).toBe(400);
  expect(problemSchema.parse(await again.json())).toMatchObject({
    code: "JOB_STATE_CONFLICT",
    detail: "Cannot cancel task with status: cancelled",
  });
  const running = await world.submitted();
  await world.claim();
  expect((await cancel(running)).status).toBe(200);
  expect(await taskOf(running)).toMatchObject({
    status: "processing",
    cancel_requested: true,
    message: "The job is being cancelled.",
  });
  const absent = await cancel("nobody");
  expect([absent.status, ((await absent.json()) as { detail: string }).detail]).toEqual([404, "Task not found"]);
});

it("lists videos with all that the predecessor's gallery reads", async () => {
  const id = await world.submitted();
  await world.finish("x".repeat(1_230_000));
  const video = videoSchema.parse(await get(`/api/v1/outputs/${id}`));
  expect(video).toMatchObject({
    filename: `${id}.mp4`,
    file_size_mb: 1.23,
    duration: "2.1",
    generation_time_minutes: 1.5,
    thumbnail_path: `outputs/thumbnails/${id}_thumb.jpg`,
    video_url: `/api/v1/outputs/${id}/video`,
  });
  for (const address of [
    video.thumbnail_url,
    video.download_url,
    video.video_url,
    video.artifact_url,
    `/thumbnails/${id}_thumb.jpg`,
  ]) {
    expect((await world.app.request(address)).status).toBe(200);
  }
  const download = await world.app.request(video.download_url);
  expect(download.headers.get("content-disposition")).toBe(`attachment; filename="wan22_video_${id}.mp4"`);
  expect(await get("/api/v1/outputs")).toMatchObject({ total_count: 1, total_size_mb: 1.23 });
});

it.each([
  ["/api/v1/generate/nobody", "Task not found"],
  ["/api/v1/outputs/nobody", "Video not found"],
  ["/api/v1/outputs/nobody/video", "Video file not found"],
  ["/api/v1/outputs/nobody/download", "Video file not found"],
  ["/api/v1/outputs/nobody/thumbnail", "Thumbnail not found"],
  ["/api/v1/outputs/..%2f..%2fetc%2fpasswd/video", "Video file not found"],
  ["/thumbnails/..%2f..%2fx", "Thumbnail not found"],
  ["/api/v1/outputs/%00/video", "Video file not found"],
  ["/api/v1/outputs/%ff%fe/video", "Video file not found"],
  ["/artifacts/..%2Funderstudy.db", "No artifact has this hash."],
  [`/artifacts/${"a".repeat(64)}`, "No artifact has this hash."],
])("answers 404 to %s", async (path, detail) => {
  const answer = await world.app.request(path);
  expect(answer.status).toBe(404);
  expect(problemSchema.parse(await answer.json()).detail).toBe(detail);
});

it("shows nothing as an output until there is something to see", async () => {
  const id = await world.submitted();
  expect((await world.app.request(`/api/v1/outputs/${id}`)).status).toBe(404);
  expect(await get("/api/v1/outputs")).toEqual({ videos: [], total_count: 0, total_size_mb: 0 });
});
