import { afterEach, beforeEach, expect, it } from "vitest";
import { statusLines } from "../../src/cli/status-command.ts";
import { statusSchema } from "../../src/contract/status-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const read = async () => statusSchema.parse(await (await world.app.request("/api/v1/status")).json());

it("the status tells mode, workers, jobs by state and what is being repaired", async () => {
  await world.submitted();
  const openedAtMs = 1_760_000_000_000;
  const incident = {
    id: "i-1",
    failureType: "vram_exhaustion",
    workerId: "worker-0",
    openedAtMs,
    sentence: "being repaired",
  } as const;
  world.status = { ...world.status, mode: "recovering", sentence: "It is being repaired.", openIncidents: [incident] };
  const status = await read();
  expect(status).toMatchObject({
    mode: "recovering",
    ready: true,
    simulated: true,
    paused: false,
    workers: [{ id: "worker-0", kind: "simulator", pid: 4242 }],
    jobs: { queued: 1, running: 0 },
    open_incidents: [{ id: "i-1", failure_type: "vram_exhaustion" }],
  });
  expect(statusLines("http://here", status)).toEqual([
    "http://here  recovering (simulated)",
    "It is being repaired.",
    "Workers",
    "  worker-0     simulator  idle, pid 4242",
    "Jobs\n  1 queued",
    "Open incidents",
    "  i-1  vram_exhaustion on worker-0: being repaired",
  ]);
});

it("the status says why nothing is accepted", async () => {
  await world.app.request("/api/v1/jobs/drain", { method: "POST" });
  world.status = {
    ...world.status,
    unreadyReason: { code: "INTAKE_DRAINED", message: "An operator has drained the intake." },
  };
  const status = await read();
  expect(status).toMatchObject({ ready: false, drained: true });
  expect(statusLines("", status)).toContain("Nothing is accepted: An operator has drained the intake.");
});
