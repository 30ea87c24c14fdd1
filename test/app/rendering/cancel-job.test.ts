import { afterEach, beforeEach, expect, it } from "vitest";
import { createCancelJob } from "../../../src/app/rendering/cancel-job.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";

let world: AppWorld;
let sent: unknown[];
beforeEach(async () => {
  world = await createAppWorld();
  sent = [];
});
afterEach(() => world.close());

const cancel = (jobId: string) => createCancelJob(world, { send: (event) => void sent.push(event) })(jobId, "client:a");

it("a job that waits is cancelled at once, and no worker has to hear of it", async () => {
  const jobId = await world.submit();
  expect([await cancel(jobId), await world.stateOf(jobId), sent]).toEqual(["cancelled", "cancelled", []]);
});

it("of a job in hand its worker hears, after the wish is durable", async () => {
  const { jobId } = await world.claimNew();
  expect(await cancel(jobId)).toBe("requested");
  expect(sent).toEqual([{ type: "job.cancel", workerId, jobId }]);
  expect(await world.rows("job.cancelRequested")).toMatchObject([{ jobId, actor: "client:a" }]);
});

it("a job that nobody knows is absent", async () => {
  expect([await cancel("job-of-nobody"), sent]).toEqual(["absent", []]);
});
