import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Actor, assign, createActor, setup } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { MachineStep } from "../../src/core/ports/machine-feed.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { createMachineTracker, type MachineTracker } from "../../src/telemetry/machine-tracker.ts";
import { shownFields } from "../../src/telemetry/shown-fields.ts";
import { createStatelyFeed, type StatelyFeed } from "../../src/telemetry/stately-feed.ts";
import { createTransitionSubscriber } from "../../src/telemetry/transitions.ts";
import { silentLogger } from "../harness/silent-logger.ts";

const secret = "SECRET a fox that nobody may see";
const secretPath = "/home/me/SECRET/model.safetensors";

const childMachine = setup({ delays: { restMs: 5_000 } }).createMachine({
  id: "toyChild",
  initial: "resting",
  states: { resting: { tags: ["loading"], after: { restMs: "rested" } }, rested: { type: "final" } },
});

const machine = setup({
  types: { context: {} as Record<string, unknown>, events: {} as { type: string } & Record<string, unknown> },
  actors: { child: childMachine },
  guards: { hasRoom: () => true },
  delays: { patienceMs: 30_000, tickMs: 1_000 },
  actions: { keep: assign({ jobId: "job-1" }) },
}).createMachine({
  id: "toyParent",
  context: {
    workerId: "worker-0",
    prompt: secret,
    modelPath: secretPath,
    token: secret,
    lease: { jobId: "j-1", spec: { prompt: secret } },
  },
  initial: "waiting",
  states: {
    waiting: {
      tags: ["servable"],
      initial: "calm",
      after: { patienceMs: "over" },
      on: { "job.came": { target: "working", guard: "hasRoom" }, "service.stop": "over" },
      states: { calm: { after: { tickMs: "restless" } }, restless: { on: { "noise.ended": "calm" } } },
    },
    working: { entry: "keep", invoke: { src: "child", id: "toy/child", onDone: "waiting", onError: "over" } },
    over: { type: "final" },
  },
});

let clock: VirtualClock;
let tracker: MachineTracker;
let stately: StatelyFeed;
let root: Actor<typeof machine>;
beforeEach(() => {
  clock = createVirtualClock();
  tracker = createMachineTracker(clock.nowMs);
  stately = createStatelyFeed(tracker.refs);
  const { inspect } = createTransitionSubscriber({
    logger: silentLogger,
    nowMs: clock.nowMs,
    isRecorded: () => false,
    note: () => undefined,
    tracker,
    stately,
  });
  root = createActor(machine, { id: "toy", clock: toActorClock(clock), inspect });
  root.subscribe({ error: (thrown) => Promise.reject(thrown) });
  root.start();
});
afterEach(() => {
  root.stop();
});

const only = (name: string) => tracker.actors().find(({ actor }) => actor === name);

describe("the tracker of machines", () => {
  it("says where each actor stands, since when, and what it would take now", async () => {
    const startedAtMs = clock.nowMs();
    await clock.advance(400);
    expect(only("toy")).toMatchObject({
      machine: "toy-parent",
      path: "waiting.calm",
      active: ["waiting", "waiting.calm"],
      tags: ["servable"],
      sinceMs: startedAtMs,
      takes: expect.arrayContaining([
        { event: "job.came", condition: "hasRoom" },
        { event: "service.stop", condition: null },
      ]),
    });
  });

  it("tells pending delays as absolute deadlines, the next one first, and forgets those of states that were left", async () => {
    const startedAtMs = clock.nowMs();
    await clock.advance(300);
    expect(only("toy")?.deadlines).toEqual([
      { delay: "tickMs", state: "waiting.calm", dueAtMs: startedAtMs + 1_000 },
      { delay: "patienceMs", state: "waiting", dueAtMs: startedAtMs + 30_000 },
    ]);
    await clock.advance(700);
    expect(only("toy")?.path).toBe("waiting.restless");
    expect(only("toy")?.deadlines.map(({ delay }) => delay)).toEqual(["patienceMs"]);
    root.send({ type: "job.came" });
    expect(only("toy")?.deadlines).toEqual([]);
    expect(only("toy/child")?.deadlines).toEqual([{ delay: "restMs", state: "resting", dueAtMs: startedAtMs + 6_000 }]);
  });

  it("forgets an actor that has ended", async () => {
    root.send({ type: "job.came" });
    expect(tracker.actors().map(({ actor }) => actor)).toEqual(["toy", "toy/child"]);
    await clock.advance(5_000);
    expect(tracker.actors().map(({ actor }) => actor)).toEqual(["toy"]);
    expect(tracker.refs()).toHaveLength(1);
  });

  it("keeps the last twenty transitions of each actor", async () => {
    for (let round = 0; round < 15; round += 1) {
      await clock.advance(1_000);
      root.send({ type: "noise.ended" });
    }
    const recent = only("toy")?.recent ?? [];
    expect(recent).toHaveLength(20);
    expect(recent.at(-1)).toEqual({
      atMs: clock.nowMs(),
      from: "waiting.restless",
      to: "waiting.calm",
      event: "noise.ended",
    });
    expect(only("toy")?.sinceMs).toBe(clock.nowMs());
  });

  it("tells each step to those who listen, and that it was the last one", async () => {
    const steps: MachineStep[] = [];
    const leave = tracker.subscribe((step) => steps.push(step));
    root.send({ type: "job.came" });
    await clock.advance(5_000);
    leave();
    root.send({ type: "job.came" });
    expect(steps.map(({ actor, path, from, isLast }) => [actor, from, path, isLast])).toEqual([
      ["toy/child", null, "resting", false],
      ["toy", "waiting.calm", "working", false],
      ["toy", "working", "waiting.calm", false],
      ["toy/child", "resting", "rested", true],
    ]);
  });

  it("shows of a context what names and counts things, and no prompt, token or path", () => {
    root.send({ type: "job.came", prompt: secret });
    expect(only("toy")?.context).toEqual({ workerId: "worker-0", jobId: "job-1", lease: { jobId: "j-1" } });
    expect(JSON.stringify(tracker.actors())).not.toContain("SECRET");
  });
});

describe("what may be seen", () => {
  it.each([
    ["a sentence under a name of the list", { jobId: secret }],
    ["a path under a name of the list", { model: secretPath }],
    ["a text where a truth value belongs", { isPaused: secret }],
    ["a name that is not on the list", { url: "secretword", error: new Error(secret) }],
    ["what lies deep", { lease: { rung: { fault: { ref: { choice: { jobId: "j" } } } } } }],
    ["functions and numbers that are none", { jobId: () => secret, fence: Number.NaN }],
  ])("is never %s", (_what, fields) => {
    expect(JSON.stringify(shownFields(fields))).not.toMatch(/SECRET|secretword|"j"|null/);
  });
});

describe("the feed of the Stately Inspector", () => {
  type Frame = Record<string, unknown> & { type: string };
  const connect = () => {
    const frames: Frame[] = [];
    return { frames, leave: stately.connect((frame) => frames.push(frame as Frame)) };
  };
  /** The package sends in a later turn; whoever came afterwards has heard then that all before were told. */
  const settled = async (): Promise<void> => {
    const later = connect();
    await expect.poll(() => later.frames.length).toBeGreaterThan(0);
    later.leave();
  };

  it("begins with the actors that live, and goes on with actors, events and snapshots in the package's form", async () => {
    const { frames, leave } = connect();
    root.send({ type: "job.came", jobId: "j-2", prompt: secret });
    await expect.poll(() => frames.length).toBeGreaterThanOrEqual(5);
    leave();
    const [first] = frames;
    expect(first).toMatchObject({
      type: "@xstate.actor",
      name: "toy",
      sessionId: root.sessionId,
      _version: expect.any(String),
      createdAt: expect.stringMatching(/^\d+$/),
      snapshot: { status: "active", value: { waiting: "calm" }, context: { workerId: "worker-0" } },
    });
    expect(JSON.parse(String(first?.["definition"]))).toMatchObject({ id: "toyParent", initial: "waiting" });
    const child = frames.find(({ type, name }) => type === "@xstate.actor" && name === "toy/child");
    expect(child).toMatchObject({ parentId: root.sessionId, rootId: root.sessionId });
    expect(
      frames.find(({ type, sessionId }) => type === "@xstate.event" && sessionId === root.sessionId),
    ).toMatchObject({
      event: { type: "job.came", jobId: "j-2" },
    });
    expect(
      frames.find(({ type, sessionId }) => type === "@xstate.snapshot" && sessionId === root.sessionId),
    ).toMatchObject({
      snapshot: { status: "active", value: "working", context: { jobId: "job-1" } },
      event: { type: "job.came" },
    });
    expect(new Set(frames.map(({ type }) => type))).toEqual(
      new Set(["@xstate.actor", "@xstate.event", "@xstate.snapshot"]),
    );
    expect(JSON.stringify(frames)).not.toContain("SECRET");
  });

  it("sends nothing to whoever has left, and computes nothing while nobody is there", async () => {
    const { frames, leave } = connect();
    leave();
    let readCount = 0;
    const event = {
      type: "@xstate.event",
      get event() {
        readCount += 1;
        return { type: "x" };
      },
    };
    stately.inspect(event as never);
    root.send({ type: "job.came" });
    await settled();
    expect([frames, readCount]).toEqual([[], 0]);
  });
});
