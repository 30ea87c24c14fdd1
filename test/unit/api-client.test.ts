import { afterEach, beforeEach, expect, it } from "vitest";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld, typedClientOf } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const client = () => typedClientOf(world);

it("submits, lists and cancels by the contract's types", async () => {
  const submitted = await client().generation.submit.$post({
    header: {},
    json: { model_type: "T2V-A14B", prompt: "a fox", resolution: "854x480", steps: 4 },
  });
  if (submitted.status !== 200) throw new Error("not taken");
  const { task_id: id } = await submitted.json();
  const listed = await client().queue.$get({ query: { limit: "5" } });
  if (listed.status !== 200) throw new Error("not listed");
  expect((await listed.json()).tasks.map((task) => task.id)).toEqual([id]);
  const cancelled = await client().queue[":id"].cancel.$post({ param: { id } });
  expect(cancelled.status).toBe(200);
});

it("reads a refusal as a problem", async () => {
  const answer = await client().generate[":id"].$get({ param: { id: "unknown" } });
  if (answer.status === 200) throw new Error("it exists");
  expect((await answer.json()).code).toBe("JOB_NOT_FOUND");
});

it("refuses a wrong field, path, parameter or answer when it is compiled", () => {
  const { generation, queue, jobs } = client();
  const wrong = [
    // @ts-expect-error the prompt is missing
    () => generation.submit.$post({ header: {}, json: { model_type: "T2V-A14B" } }),
    // @ts-expect-error steps is a number
    () => generation.submit.$post({ header: {}, json: { model_type: "T2V-A14B", prompt: "a", steps: [4] } }),
    // @ts-expect-error the id is missing
    () => queue[":id"].cancel.$post({}),
    // @ts-expect-error there is no such state
    () => queue.$get({ query: { status_filter: "waiting" } }),
    // @ts-expect-error there is no such route
    () => queue.shuffle.$post(),
    // @ts-expect-error it is no text
    () => jobs.pause.$post({ json: { release_gpu: "yes" } }),
    async () => {
      const answer = await queue.$get({ query: {} });
      // @ts-expect-error the answer has no such field
      return answer.status === 200 ? (await answer.json()).jobs : null;
    },
  ];
  expect(wrong).toHaveLength(7);
});
