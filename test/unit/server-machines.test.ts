import { afterEach, beforeEach, expect, it } from "vitest";
import { actorsSchema, machinesSchema, stepSchema } from "../../src/contract/machine-wire.ts";
import type { Chart, MachineActorDetails } from "../../src/core/ports/machine-feed.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { readEvents } from "./read-events.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

const chart: Chart = {
  id: "toyDoor",
  name: "toy-door",
  states: [
    {
      id: "toyDoor.open",
      name: "open",
      description: "It is open.",
      tags: ["servable"],
      actors: ["watch"],
      isInitial: true,
      isFinal: false,
      isParallel: false,
      children: [],
    },
  ],
  edges: [{ from: "toyDoor.open", to: "toyDoor.open", labels: ["wind.came [isStrong]"] }],
  hasAnyState: false,
};

const actor = (nowMs: number): MachineActorDetails => ({
  actor: "hall/door",
  machine: "toy-door",
  path: "open",
  active: ["open"],
  tags: ["servable"],
  sinceMs: nowMs - 1_000,
  deadlines: [{ delay: "patienceMs", state: "open", dueAtMs: nowMs + 5_000 }],
  takes: [{ event: "wind.came", condition: "isStrong" }],
  context: { openingCount: 2 },
  recent: [{ atMs: nowMs, from: null, to: "open", event: "xstate.init" }],
});

let clock: VirtualClock;
let world: ServerWorld;
beforeEach(() => {
  clock = createVirtualClock();
  world = createServerWorld(clock);
  world.ports.machines.charts = () => [chart];
  world.ports.machines.actors = () => [actor(clock.nowMs())];
});
afterEach(() => world.close());

it("tells definitions, and of each actor where it stands and what can happen next", async () => {
  const answer = await world.app.request("/api/v1/machines");
  const body = machinesSchema.parse(await answer.json());
  expect(body.definitions).toMatchObject([
    { machine: "toy-door", states: [{ id: "toyDoor.open", description: "It is open." }] },
  ]);
  const iso = (ms: number): string => new Date(ms).toISOString();
  expect(body.actors).toEqual([
    {
      actor: "hall/door",
      machine: "toy-door",
      path: "open",
      active: ["open"],
      tags: ["servable"],
      since: iso(clock.nowMs() - 1_000),
      deadlines: [{ delay: "patienceMs", state: "open", due_at: iso(clock.nowMs() + 5_000) }],
      takes: [{ event: "wind.came", condition: "isStrong" }],
      context: { opening_count: 2 },
      recent: [{ at: iso(clock.nowMs()), to: "open", event: "xstate.init" }],
    },
  ]);
});

it("streams a snapshot of the actors and then their steps", async () => {
  const { next, cancel } = readEvents(await world.app.request("/api/v1/machines/stream"));
  const first = await next();
  expect(first?.event).toBe("snapshot");
  expect(actorsSchema.parse(first?.data).actors).toHaveLength(1);
  world.frame({ kind: "mode", mode: "mock", sentence: "Stand-ins only." });
  world.frame({
    kind: "step",
    step: { ...actor(clock.nowMs()), path: "shut", from: "open", event: "wind.came", isLast: false },
  });
  const step = await next();
  expect(step?.event).toBe("step");
  expect(stepSchema.parse(step?.data)).toMatchObject({
    actor: "hall/door",
    from: "open",
    path: "shut",
    event: "wind.came",
    ended: false,
  });
  await cancel();
});

it("has no inspector unless the service was started for it", async () => {
  const answer = await world.app.request("/inspect", { headers: { upgrade: "websocket" } });
  expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
    404,
    expect.stringContaining("--inspect"),
  ]);
});

it.each(["10.0.0.7", "::ffff:192.168.1.9", "128.0.0.1", "fe80::1", undefined])(
  "is inspected from this computer alone, not from %s",
  async (remoteAddress) => {
    Object.assign(world.ports.machines, { inspector: { subscribe: () => () => undefined } });
    const from = { incoming: { socket: { remoteAddress } } };
    const answer = await world.app.request("/inspect", { headers: { upgrade: "websocket" } }, from);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("Only this computer may inspect the machines.");
  },
);

it("serves the pages and a drawing of each machine, without a key", async () => {
  const locked = createServerWorld(clock, { apiKey: "a-long-enough-key" });
  for (const path of [
    "/machines",
    "/machines.js",
    "/machines.css",
    "/inspector",
    "/inspector.js",
    "/machines/model-loader.svg",
  ]) {
    const answer = await locked.app.request(path);
    expect([path, answer.status]).toEqual([path, 200]);
    expect(await answer.text()).not.toMatch(/\son\w+="|style="|innerHTML/);
  }
  const drawing = await (await locked.app.request("/machines/model-loader.svg")).text();
  expect(drawing).toContain('data-state="loading.moving"');
  for (const path of ["/api/v1/machines", "/api/v1/machines/stream", "/inspect"])
    expect((await locked.app.request(path)).status).toBe(401);
  expect((await locked.app.request("/inspector")).headers.get("cross-origin-opener-policy")).toBe(
    "same-origin-allow-popups",
  );
  expect((await locked.app.request("/machines")).headers.get("cross-origin-opener-policy")).toBe("same-origin");
  await locked.close();
});
