import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { actorsSchema, machinesSchema, stepSchema } from "../../src/contract/machine-wire.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { readEvents } from "../unit/read-events.ts";

const key = "a-key-of-the-test-0123456789abcdef";
const marked = "MARKED a fox that nobody else may see";
const authorization = { authorization: `Bearer ${key}` };
const directory = makeStateDir();
let service: RunningService;

beforeAll(async () => {
  service = await startService({
    stateDir: directory.path,
    args: ["--inspect"],
    limitMs: 50_000,
    env: { UNDERSTUDY_API_KEY: key },
  });
}, 60_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

const machines = async () =>
  machinesSchema.parse(await (await fetch(`${service.url}/api/v1/machines`, { headers: authorization })).json());
const isReady = () =>
  until("the loader is ready", async () =>
    (await machines()).actors.some(({ actor, path }) => actor === "worker-0/model-loader" && path === "ready"),
  );

const kill = () =>
  fetch(`${service.url}/api/v1/simulator/kill`, {
    method: "POST",
    headers: { ...authorization, "content-type": "application/json" },
    body: "{}",
  });

type Frame = Record<string, unknown> & { readonly type: string };

async function inspect(
  headers: Record<string, string> = {},
  protocols: string[] = [],
): Promise<{ frames: Frame[]; socket: WebSocket }> {
  const frames: Frame[] = [];
  const socket = new WebSocket(`${service.url.replace("http", "ws")}/inspect`, protocols, { headers });
  socket.on("message", (data) => frames.push(JSON.parse(String(data)) as Frame));
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("unexpected-response", (_request, response) => reject(new Error(String(response.statusCode))));
    socket.once("error", reject);
  });
  return { frames, socket };
}

describe("the machines of a running service", () => {
  it("says what all seven are, and where every actor stands", async () => {
    await isReady();
    const { definitions, actors } = await machines();
    expect(definitions.map(({ machine }) => machine)).toEqual([
      ...["circuit-breaker", "health-monitor", "model-loader", "pipeline", "recovery", "supervisor", "worker"],
    ]);
    const names = actors.map(({ actor }) => actor);
    expect(names[0]).toBe("supervisor");
    expect(names).toEqual(
      expect.arrayContaining([
        "health-monitor",
        ...["worker", "model-loader", "pipeline", "circuit-breaker"].map((kind) => `worker-0/${kind}`),
      ]),
    );
    for (const { machine, active } of actors) {
      const definition = definitions.find((each) => each.machine === machine);
      const paths = (states: NonNullable<typeof definition>["states"]): string[] =>
        states.flatMap(({ id, states: below }) => [id.slice(id.indexOf(".") + 1), ...paths(below)]);
      expect(paths(definition?.states ?? [])).toEqual(expect.arrayContaining(active));
    }
    const breaker = actors.find(({ machine }) => machine === "circuit-breaker");
    expect(breaker).toMatchObject({
      path: "closed",
      tags: ["servable"],
      context: { worker_id: "worker-0", opening_count: 0 },
    });
    expect(breaker?.takes.map(({ event }) => event)).toEqual(expect.arrayContaining(["breaker.hold"]));
  });

  it("tells the next deadline of a machine that waits, in the time of the service", async () => {
    const { at, actors } = await machines();
    const waiting = actors.filter(({ deadlines }) => deadlines.length > 0);
    expect(waiting.length).toBeGreaterThan(0);
    for (const { deadlines, since } of waiting) {
      expect(Date.parse(deadlines[0]?.due_at ?? "")).toBeGreaterThanOrEqual(Date.parse(at) - 1_000);
      expect(Date.parse(since)).toBeLessThanOrEqual(Date.parse(at));
    }
  });

  it("streams the steps of a render, and lets no prompt, key or path leave by any of its doors", {
    timeout: 90_000,
  }, async () => {
    await isReady();
    const abort = new AbortController();
    const stream = readEvents(
      await fetch(`${service.url}/api/v1/machines/stream`, { headers: authorization, signal: abort.signal }),
    );
    expect(actorsSchema.parse((await stream.next())?.data).actors.length).toBeGreaterThanOrEqual(6);
    const { frames, socket } = await inspect(authorization);
    const seen: unknown[] = [];
    const id = await service.submit({ prompt: marked }, authorization);
    const lastOfRender = "inHand.generating.muxing";
    const paths: string[] = [];
    const ofRecovery: string[] = [];
    while (!paths.includes(lastOfRender) || ofRecovery.length === 0) {
      const event = await stream.next();
      seen.push(event);
      if (event?.event !== "step") continue;
      const { actor, machine, path } = stepSchema.parse(event.data);
      if (machine === "recovery") ofRecovery.push(path);
      if (actor !== "worker-0/pipeline") continue;
      // A worker that is killed in the middle of a render brings an incident with an actor of its own.
      if (path === "inHand.generating.denoising" && !paths.includes(path)) await kill();
      paths.push(path);
      seen.push(await machines());
    }
    expect(paths).toEqual(expect.arrayContaining(["claiming", "inHand.preparing", "settling"]));
    await until("the inspector saw the render and the incident", () => {
      const states = frames
        .filter(({ type }) => type === "@xstate.snapshot")
        .map(({ snapshot }) => JSON.stringify(snapshot));
      const hasRendered = states.some((state) => state.includes('"value":{"inHand":{"generating":"muxing"}}'));
      return (
        hasRendered && frames.some(({ type, name }) => type === "@xstate.actor" && String(name).startsWith("recovery/"))
      );
    });
    socket.close();
    abort.abort();
    expect(JSON.stringify(seen)).toContain(id);
    for (const text of [JSON.stringify(seen), JSON.stringify(frames)]) {
      expect(text).not.toMatch(/MARKED|nobody else may see/);
      expect(text).not.toContain(key);
      expect(text).not.toContain(directory.path);
      expect(text).not.toMatch(/\/tmp\/|\/home\/|\/root\/|\.safetensors|\.sock\b/);
    }
  });
});

describe("the inspector", () => {
  it("sends actors first, each with its definition and snapshot, in the form of the package", async () => {
    const { frames, socket } = await inspect({}, [
      "understudy",
      `understudy.key.${Buffer.from(key).toString("base64url")}`,
    ]);
    await until("the actors that live are told", () => frames.length >= 6);
    socket.close();
    for (const frame of frames.slice(0, 6)) {
      expect(frame).toMatchObject({
        type: "@xstate.actor",
        name: expect.any(String),
        sessionId: expect.any(String),
        rootId: frames[0]?.["sessionId"],
        _version: "0.7.2",
        createdAt: expect.stringMatching(/^\d+$/),
        id: null,
        snapshot: { status: "active", value: expect.anything(), context: expect.any(Object) },
      });
      expect(JSON.parse(String(frame["definition"]))).toMatchObject({
        id: expect.any(String),
        states: expect.any(Object),
      });
    }
    expect(frames[0]).toMatchObject({ name: "supervisor" });
  });

  it.each([
    ["without a key", {}, "401"],
    ["with a wrong key", { authorization: "Bearer wrong" }, "401"],
    ["for a foreign page", { ...authorization, origin: "https://evil.example" }, "403"],
    ["under a foreign name", { ...authorization, host: "evil.example" }, "421"],
  ])("opens nothing %s", async (_what, headers, status) => {
    await expect(inspect(headers)).rejects.toThrow(status);
  });
});
