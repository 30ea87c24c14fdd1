import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKillWorker } from "../../../src/app/workers/kill-worker.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

const kill = (id: string | null) => createKillWorker({ ...world, firstWorkerId: workerId })(id, "operator:console");

describe("killing a worker to see what happens", () => {
  it("ends the first one where nobody is named, after the row that says who did it", async () => {
    const { worker, ref } = await world.connect();
    expect(await kill(null)).toEqual({ kind: "killed", workerId, pid: ref.pid });
    expect(worker.isAlive).toBe(false);
    expect(await world.rows("worker.killed")).toMatchObject([
      { workerId, actor: "operator:console", data: { pid: ref.pid } },
    ]);
  });

  it("does nothing to a worker that has no process now", async () => {
    expect(await kill("worker-7")).toEqual({ kind: "absent", message: "Worker worker-7 has no process right now." });
    expect(await world.rows("worker.killed")).toEqual([]);
  });

  it("never kills a worker that renders for real", async () => {
    const { worker, ref } = await world.connect();
    const simulated = world.links.connected(workerId);
    const client = { ...simulated, identity: { ...simulated.identity, isSimulated: false } };
    world.links.open({ workerId, ref, client: { ...client, close: () => undefined } });
    expect(await kill(workerId)).toMatchObject({ kind: "notSimulated" });
    expect(worker.isAlive).toBe(true);
  });
});
