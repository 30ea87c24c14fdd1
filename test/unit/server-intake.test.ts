import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { intakeSchema } from "../../src/contract/intake-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const post = (path: string, body?: unknown) =>
  world.app.request(path, {
    method: "POST",
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });

describe("pausing over HTTP", () => {
  it.each([
    [undefined, "Paused: what is submitted is kept, and rendered after a resume."],
    [{ release_gpu: true }, "Paused, and every card is free."],
  ])("with %j says what becomes of jobs and cards", async (body, message) => {
    const answer = await post("/api/v1/jobs/pause", body);
    expect(answer.status).toBe(200);
    expect(intakeSchema.parse(await answer.json())).toMatchObject({ paused: true, message });
  });

  it("refuses what is no yes or no", async () => {
    const answer = await post("/api/v1/jobs/pause", { release_gpu: "perhaps" });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      code: "REQUEST_INVALID",
      detail: expect.stringContaining("release_gpu"),
    });
  });

  it("ends with a resume", async () => {
    expect(intakeSchema.parse(await (await post("/api/v1/jobs/resume")).json())).toMatchObject({ paused: false });
  });
});
