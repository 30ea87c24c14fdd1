import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { z } from "zod";
import { intakeSchema } from "../../src/contract/intake-wire.ts";
import { type JobDetail, jobDetailSchema, jobListSchema } from "../../src/contract/jobs-wire.ts";
import type { AttemptFailure } from "../../src/core/job.ts";
import { dayMs, minuteMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { makeFailure, suspectedDeath } from "./job-store-world.ts";
import { createServerWorld, png, type ServerWorld } from "./server-world.ts";

let clock: VirtualClock;
let world: ServerWorld;
beforeEach(() => {
  clock = createVirtualClock();
  world = createServerWorld(clock);
});
afterEach(() => world.close());

const wanted = {
  model: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  size: "854x480",
  frames: 33,
  steps: 12,
};
const onePixel = Buffer.from(png);

const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  Promise.resolve(
    world.app.request(path, {
      method: "POST",
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
const get = (path: string): Promise<Response> => Promise.resolve(world.app.request(path));
const detailOf = async (response: Response): Promise<JobDetail> => jobDetailSchema.parse(await response.json());
const submitted = async (fields: object = {}, headers?: Record<string, string>): Promise<JobDetail> =>
  detailOf(await post("/api/v1/jobs", { ...wanted, ...fields }, headers));
const show = async (id: string): Promise<JobDetail> => detailOf(await get(`/api/v1/jobs/${id}`));
const listed = async (query = ""): Promise<z.infer<typeof jobListSchema>> =>
  jobListSchema.parse(await (await get(`/api/v1/jobs${query}`)).json());
const failure = (change: Partial<AttemptFailure> = {}): AttemptFailure =>
  makeFailure(clock.nowMs(), { isRetryable: false, ...change });
const setAside = async (id: string): Promise<void> => {
  for (let death = 0; death < 2; death += 1)
    await world.store.jobs.fail(await world.claim(), failure({ isRetryable: true, ...suspectedDeath }));
  expect((await show(id)).state).toBe("quarantined");
};

describe("submitting a job in our own words", () => {
  it("answers 201 with the job that is on the disk, and where it is", async () => {
    const answer = await post("/api/v1/jobs", {
      ...wanted,
      seed: 7,
      priority: 5,
      labels: ["nightly", "team=a"],
      deadline_ms: minuteMs,
    });
    const job = await detailOf(answer);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("location")).toBe(`/api/v1/jobs/${job.id}`);
    expect(job).toMatchObject({
      ...wanted,
      state: "queued",
      seed: 7,
      fallback: "stand_in_then_real",
      allow: [],
      priority: 5,
      labels: ["nightly", "team=a"],
      simulated: true,
      attempts: [],
      artifacts: [],
    });
    expect(Date.parse(job.deadline_at) - Date.parse(job.created_at)).toBe(minuteMs);
    expect(await world.store.jobs.get(job.id)).toMatchObject({ priority: 5, labels: ["nightly", "team=a"] });
  });

  it("reduces nothing unless the submission allows it, and then no further than its floor", async () => {
    const floor = { width: 640, height: 360, frames: 17 };
    expect(await submitted({ fallback: "wait", allow: ["frames"], floor })).toMatchObject({
      fallback: "wait",
      allow: ["frames"],
      floor,
    });
    expect(await submitted({ allow: ["frames"] })).toMatchObject({ floor: { width: 854, height: 480, frames: 33 } });
    expect((await submitted()).floor).toBeUndefined();
  });

  it.each<[string, object, string]>([
    ["a field that does not exist", { colour: "red" }, "colour"],
    ["an unknown model", { model: "T2V-99" }, "model"],
    ["a blank prompt", { prompt: "   " }, "prompt"],
    ["a number as text", { steps: "12" }, "steps"],
    ["a size of no model", { size: "123x45" }, "size"],
    ["a consent that there is not", { fallback: "perhaps" }, "fallback"],
    ["a reduction that there is not", { allow: ["steps"] }, "allow"],
    ["too long a deadline", { deadline_ms: 8 * dayMs }, "deadline_ms"],
    ["a label with a comma", { labels: ["a,b"] }, "labels"],
    ["a LoRA outside its folder", { lora_path: "../x.safetensors" }, "lora_path"],
    ["a LoRA that may run code", { lora_path: "x.ckpt" }, "lora_path"],
    ["a LoRA of the list outside its folder", { loras: [{ name: "/x.safetensors" }] }, "loras"],
    ["a LoRA for an expert that there is not", { loras: [{ name: "x.safetensors", expert: "third" }] }, "loras"],
    ["nine LoRAs", { loras: Array(9).fill({ name: "x.safetensors" }) }, "loras"],
    ["an image that is none", { image: "aGVsbG8=" }, "image"],
    ["a webhook without an address", { webhook: {} }, "webhook"],
    ["a webhook that is not called", { webhook: { url: "http://127.0.0.1/" } }, "WEBHOOK_REFUSED"],
    ["no image for a model that needs one", { model: "I2V-A14B" }, "image"],
  ])("refuses %s with 422, and keeps nothing", async (_name, fields, param) => {
    const answer = await post("/api/v1/jobs", { ...wanted, ...fields });
    expect(answer.status).toBe(422);
    expect(JSON.stringify(await answer.json())).toContain(param);
    expect((await listed()).jobs).toEqual([]);
  });

  it("takes an image in base64 and keeps it with the job", async () => {
    const job = await submitted({ model: "I2V-A14B", image: onePixel.toString("base64") });
    expect(job.artifacts).toMatchObject([{ kind: "image", bytes: onePixel.length, mime_type: "image/png" }]);
    const image = (await world.store.jobs.get(job.id))?.artifacts[0];
    expect(readFileSync(world.artifacts.pathOf(image ?? { name: "" }))).toEqual(onePixel);
  });

  it("takes LoRAs with their strength and expert, and a new try has them too", async () => {
    const loras = [{ name: "fox.safetensors" }, { name: "snow/deep.safetensors", strength: 0.5, expert: "high" }];
    const kept = [
      { name: "fox.safetensors", strength: 1, expert: "both" },
      { name: "snow/deep.safetensors", strength: 0.5, expert: "high" },
    ];
    const job = await submitted({ loras });
    expect(job.loras).toEqual(kept);
    expect((await world.store.jobs.get(job.id))?.spec.request.loras).toEqual(kept);
    await post(`/api/v1/jobs/${job.id}/cancel`);
    expect((await detailOf(await post(`/api/v1/jobs/${job.id}/retry`))).loras).toEqual(kept);
    expect((await submitted({ loras: [] })).loras).toBeUndefined();
  });

  it("refuses LoRAs where no worker has a folder of them", async () => {
    world.takesLoras = false;
    const answer = await post("/api/v1/jobs", { ...wanted, loras: [{ name: "fox.safetensors" }] });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([422, "LORA_UNSUPPORTED"]);
    expect((await listed()).jobs).toEqual([]);
  });

  it("says what the job will take while it has not ended, and no number where nothing is known", async () => {
    const job = await submitted();
    expect(job.estimate).toMatchObject({
      load_profile: "model-offload",
      vram_gb: 33.5,
      seconds: 37,
      source: "estimated",
    });
    expect(job.estimate?.basis).not.toBe("");
    expect((await show(job.id)).estimate).toEqual(job.estimate);
    world.isCardKnown = false;
    expect((await show(job.id)).estimate).toEqual({
      load_profile: null,
      vram_gb: null,
      seconds: null,
      source: "unknown",
      basis: "No worker has told yet what its card is.",
    });
    await post(`/api/v1/jobs/${job.id}/cancel`);
    expect((await show(job.id)).estimate).toBeUndefined();
  });

  it("answers a repeated Idempotency-Key with the first job, and another request under it with 409", async () => {
    const key = { "idempotency-key": "k-1" };
    const first = await submitted({}, key);
    const again = await post("/api/v1/jobs", Object.fromEntries(Object.entries(wanted).toReversed()), key);
    expect([again.status, again.headers.get("idempotency-replayed"), (await detailOf(again)).id]).toEqual([
      200,
      "true",
      first.id,
    ]);
    const other = await post("/api/v1/jobs", { ...wanted, steps: 13 }, key);
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([409, "IDEMPOTENCY_KEY_REUSED"]);
    expect((await listed()).jobs).toHaveLength(1);
  });

  it("refuses a key that no header may hold", async () => {
    expect((await post("/api/v1/jobs", wanted, { "idempotency-key": "a b" })).status).toBe(422);
  });
});

describe("finding jobs", () => {
  it("gives the newest first, page by page, each once", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      ids.push((await submitted()).id);
      await clock.advance(1);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listed(`?limit=2${cursor === undefined ? "" : `&cursor=${cursor}`}`);
      seen.push(...page.jobs.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(ids.toReversed());
  });

  it("by state, labels, model and time", async () => {
    const old = await submitted({ labels: ["nightly"] });
    await clock.advance(minuteMs);
    const young = await submitted({ model: "TI2V-5B", labels: ["nightly", "team=a"] });
    await post(`/api/v1/jobs/${old.id}/cancel`);
    const idsOf = async (query: string): Promise<string[]> => (await listed(query)).jobs.map(({ id }) => id);
    expect(await idsOf("?state=cancelled,failed")).toEqual([old.id]);
    expect(await idsOf("?label=nightly,team=a")).toEqual([young.id]);
    expect(await idsOf("?model=TI2V-5B")).toEqual([young.id]);
    expect(await idsOf(`?since=${young.created_at}`)).toEqual([young.id]);
    expect(await idsOf(`?until=${old.created_at}`)).toEqual([old.id]);
  });

  it.each(["?state=gone", "?label=a%20b", "?since=yesterday", "?limit=0", "?cursor=somewhere"])(
    "refuses %s",
    async (query) => {
      expect((await get(`/api/v1/jobs${query}`)).status).toBe(422);
    },
  );
});

describe("one job", () => {
  it("shows its attempts with what ended them, its changes and its files", async () => {
    const { id } = await submitted();
    await world.store.jobs.fail(await world.claim(), failure({ isRetryable: true }));
    await world.finish();
    const job = await show(id);
    expect(job).toMatchObject({ state: "succeeded", served_by: { kind: "real", simulated: true }, attempt_count: 1 });
    expect(job.attempts).toMatchObject([
      { fence: 1, outcome: "error", error: { code: "GPU_OUT_OF_MEMORY" }, evidence: { free_bytes: 12 } },
      { fence: 2, outcome: "succeeded" },
    ]);
    expect(job.artifacts.map(({ kind }) => kind)).toEqual(["result", "thumbnail"]);
    for (const { url = "" } of job.artifacts) expect((await get(url)).status).toBe(200);
  });

  it("shows what its webhook was told, and of its address the origin alone", async () => {
    const { id } = await submitted({ webhook: { url: "https://example.org:8443/hook/hidden?key=hidden" } });
    await world.finish();
    const [{ seq } = { seq: 0 }] = await world.store.webhooks.listOf(id);
    await world.store.webhooks.noteTry(seq, { kind: "dead", status: 500, problem: "The receiver answered 500." });
    const answer = await get(`/api/v1/jobs/${id}`);
    const text = await answer.text();
    expect(jobDetailSchema.parse(JSON.parse(text)).webhook).toEqual({
      origin: "https://example.org:8443",
      deliveries: [
        expect.objectContaining({
          id: `${id}.${seq}`,
          type: "job.succeeded",
          state: "dead",
          try_count: 1,
          last_status: 500,
          last_problem: "The receiver answered 500.",
        }),
      ],
    });
    expect(text).not.toContain("hidden");
  });

  it("never calls a stand-in the result", async () => {
    const { id } = await submitted();
    await world.standIn(id);
    expect(await show(id)).toMatchObject({
      state: "queued",
      is_mock: true,
      real_result: "pending",
      artifacts: [{ kind: "stand_in" }],
    });
  });

  it("is 404 when there is none, for every act", async () => {
    const paths = ["cancel", "retry", "release", "drop"].map((act) => `/api/v1/jobs/none/${act}`);
    const statuses = await Promise.all([get("/api/v1/jobs/none"), ...paths.map((path) => post(path))]);
    expect(statuses.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
  });
});

describe("ending and trying again", () => {
  it("cancels a waiting job at once, asks a running one, and refuses what has ended", async () => {
    const { id } = await submitted();
    expect(await detailOf(await post(`/api/v1/jobs/${id}/cancel`))).toMatchObject({ state: "cancelled" });
    expect((await post(`/api/v1/jobs/${id}/cancel`)).status).toBe(409);
    const running = await submitted();
    await world.claim();
    expect(await detailOf(await post(`/api/v1/jobs/${running.id}/cancel`))).toMatchObject({
      state: "running",
      cancel_requested: true,
    });
  });

  it("a retry is a new job that names the old one, which stays as it was", async () => {
    const image = onePixel.toString("base64");
    const old = await submitted({
      model: "I2V-A14B",
      image,
      labels: ["a"],
      priority: 3,
      deadline_ms: minuteMs,
      allow: ["frames"],
    });
    await world.store.jobs.fail(await world.claim(), failure());
    const before = await show(old.id);
    const oldImage = (await world.store.jobs.get(old.id))?.artifacts[0];
    await clock.advance(1_000);
    const answer = await post(`/api/v1/jobs/${old.id}/retry`);
    const young = await detailOf(answer);
    expect(answer.status).toBe(201);
    expect(young).toMatchObject({
      state: "queued",
      retry_of: old.id,
      labels: ["a"],
      priority: 3,
      seed: old.seed,
      allow: ["frames"],
      model: "I2V-A14B",
    });
    expect(Date.parse(young.deadline_at) - Date.parse(young.created_at)).toBe(minuteMs);
    expect(await show(old.id)).toEqual(before);
    // The new job's image is its own file.
    await world.store.jobs.remove(old.id, "client:local");
    const kept = (await world.store.jobs.get(young.id))?.artifacts[0];
    expect(kept?.name).not.toBe(oldImage?.name);
    expect(readFileSync(world.artifacts.pathOf(kept ?? { name: "" }))).toEqual(onePixel);
  });

  it("a retry under the same Idempotency-Key makes one job", async () => {
    const { id } = await submitted();
    await post(`/api/v1/jobs/${id}/cancel`);
    const key = { "idempotency-key": "again" };
    const [first, second] = [
      await post(`/api/v1/jobs/${id}/retry`, undefined, key),
      await post(`/api/v1/jobs/${id}/retry`, undefined, key),
    ];
    expect([first.status, second.status, (await detailOf(first)).id === (await detailOf(second)).id]).toEqual([
      201,
      200,
      true,
    ]);
  });

  it("only what failed or was cancelled is tried again, and never past the quarantine", async () => {
    const { id } = await submitted();
    expect((await post(`/api/v1/jobs/${id}/retry`)).status).toBe(409);
    await setAside(id);
    const refused = await post(`/api/v1/jobs/${id}/retry`);
    expect([refused.status, await refused.json()]).toMatchObject([409, { code: "JOB_QUARANTINED" }]);
  });
});

describe("quarantine", () => {
  it("is left by a release: the same job waits again", async () => {
    const { id } = await submitted();
    expect((await post(`/api/v1/jobs/${id}/release`)).status).toBe(409);
    await setAside(id);
    expect(await detailOf(await post(`/api/v1/jobs/${id}/release`))).toMatchObject({
      id,
      state: "queued",
      deaths: 0,
      attempt_count: 0,
    });
    expect((await world.finish()).jobId).toBe(id);
  });

  it("ends by a drop: the job stays failed, with its evidence", async () => {
    const { id } = await submitted();
    await setAside(id);
    const job = await detailOf(await post(`/api/v1/jobs/${id}/drop`));
    expect(job).toMatchObject({ state: "failed", error: { code: "JOB_QUARANTINED" } });
    expect(job.attempts.map(({ evidence }) => evidence)).toEqual([{ free_bytes: 12 }, { free_bytes: 12 }]);
    expect((await post(`/api/v1/jobs/${id}/drop`)).status).toBe(409);
  });
});

describe("a drain of the intake", () => {
  it("refuses submissions of every route with 503 and a time to come back, and a resume ends it", async () => {
    const accepted = await submitted();
    expect(intakeSchema.parse(await (await post("/api/v1/jobs/drain")).json())).toMatchObject({
      drained: true,
      paused: false,
    });
    for (const refused of [await post("/api/v1/jobs", wanted), await world.submit()]) {
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "60"]);
      expect(await refused.json()).toMatchObject({ code: "INTAKE_DRAINED" });
    }
    expect((await world.finish()).jobId).toBe(accepted.id);
    await post("/api/v1/jobs/resume");
    expect((await post("/api/v1/jobs", wanted)).status).toBe(201);
  });
});
