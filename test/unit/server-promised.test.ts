/** What a job that waits is promised, as its own routes answer it. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type JobDetail, jobDetailSchema } from "../../src/contract/jobs-wire.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { atOnce } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let clock: VirtualClock;
let world: ServerWorld;
beforeEach(() => {
  clock = createVirtualClock();
  world = createServerWorld(clock);
});
afterEach(() => world.close());

async function ask(method: "GET" | "POST", path: string, body?: object): Promise<JobDetail> {
  const answer = await world.app.request(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  return jobDetailSchema.parse(await answer.json());
}

it("is in the answer to the submission, and in every later one while the job waits", async () => {
  world.promise = { ...atOnce, kind: "realLater", because: "queued", expectedAtMs: clock.nowMs() + 90_000 };
  const { sentence } = world.status;
  const job = await ask("POST", "/api/v1/jobs", { model: "T2V-A14B", prompt: "a heron" });
  expect(job.promise).toEqual({ kind: "realLater", sentence, eta_ms: 90_000 });
  expect((await ask("GET", `/api/v1/jobs/${job.id}`)).promise).toEqual(job.promise);
  world.promise = atOnce;
  expect((await ask("GET", `/api/v1/jobs/${job.id}`)).promise).toEqual({ kind: "realNow", sentence });
  expect((await ask("POST", `/api/v1/jobs/${job.id}/cancel`)).promise).toBeUndefined();
});
