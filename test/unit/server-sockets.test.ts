import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createSystemClock, type SystemClock } from "../../src/core/clock.ts";
import { type Listening, listen } from "../../src/server/listen.ts";
import { readEvents } from "./read-events.ts";
import { healthy } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let clock: SystemClock;
let world: ServerWorld;
let listening: Listening;
beforeAll(async () => {
  clock = createSystemClock();
  world = createServerWorld(clock);
  listening = await listen(world.app, { host: "127.0.0.1", port: 0, clock, isInsecure: false });
});
afterAll(async () => {
  await listening.stop(500);
  await world.close();
  clock.stop();
});

type Frame = Record<string, unknown> & { type: string; data: Record<string, unknown> };

interface Client {
  readonly socket: WebSocket;
  readonly next: (type: string) => Promise<Frame>;
  readonly closed: Promise<number>;
}

/** Fails by the test's own deadline when a frame never comes. */
async function openSocket(at: Listening, headers: Record<string, string> = {}): Promise<Client> {
  const socket = new WebSocket(`${at.address.replace("http", "ws")}/ws`, { headers });
  const frames: Frame[] = [];
  let wake: (() => void) | undefined;
  socket.on("message", (data) => {
    frames.push(JSON.parse(String(data)) as Frame);
    wake?.();
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return {
    socket,
    closed,
    next: async (type) => {
      for (;;) {
        const index = frames.findIndex((frame) => frame.type === type);
        if (index !== -1) return frames.splice(0, index + 1).at(-1) as Frame;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** What the server answers to raw bytes until it closes the connection. */
function exchange(at: Listening, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(at.port, "127.0.0.1");
    let text = "";
    socket.on("data", (data) => (text += String(data)));
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(text));
    socket.write(bytes);
  });
}

const statusOf = (text: string): number => Number(text.split(" ")[1]);

it("serves ranges, HEAD and the page over a socket", async () => {
  await world.submitted();
  const { jobId } = await world.finish("0123456789");
  const address = `${listening.address}/api/v1/outputs/${jobId}/video`;
  const part = await fetch(address, { headers: { range: "bytes=-4" } });
  expect([part.status, part.headers.get("content-length"), await part.text()]).toEqual([206, "4", "6789"]);
  const head = await fetch(address, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), head.headers.get("accept-ranges")]).toEqual([
    200,
    "10",
    "bytes",
  ]);
  const page = await fetch(listening.address);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
});

it("flushes the stream's headers and snapshot at once, and follows with rows", async () => {
  const response = await fetch(`${listening.address}/api/v1/events`);
  const { next, cancel } = readEvents(response);
  expect((await next())?.event).toBe("snapshot");
  const id = await world.submitted();
  expect((await next())?.data["job_id"]).toBe(id);
  await cancel();
});

it("welcomes a WebSocket and tells it of jobs flat and under data", async () => {
  const client = await openSocket(listening);
  const welcome = await client.next("connection_established");
  expect(welcome.data["connection_id"]).toEqual(welcome["connection_id"]);
  const id = await world.submitted();
  const update = await client.next("task_update");
  expect(update).toMatchObject({
    task_id: id,
    status: "pending",
    progress: 0,
    data: { task_id: id, status: "pending", message: "The job waits for a worker." },
  });
  expect((await client.next("queue_update")).data["message"]).toBe("The queue changed.");
  client.socket.close();
  await client.closed;
});

it("answers pings and subscriptions, and survives what is no message", async () => {
  const client = await openSocket(listening);
  client.socket.send(JSON.stringify({ type: "ping", timestamp: 7 }));
  expect((await client.next("pong")).data).toMatchObject({ timestamp: 7 });
  client.socket.send(JSON.stringify({ type: "subscribe", data: { topic: "system_stats" } }));
  expect((await client.next("subscription_response")).data).toMatchObject({ topic: "system_stats", subscribed: true });
  client.socket.send(JSON.stringify({ type: "unsubscribe", data: { topic: "health_monitoring" } }));
  expect((await client.next("unsubscription_response")).data).toMatchObject({ unsubscribed: true });
  for (const text of ["", "not JSON", "[]", "null", '{"type":7}', '{"type":"dance"}']) {
    client.socket.send(text);
    expect((await client.next("error")).data["message"]).toEqual(expect.any(String));
  }
  world.frame({ kind: "health", health: healthy });
  world.frame({ kind: "mode", mode: "mock", sentence: "Stand-ins only." });
  const status = await client.next("system_status");
  expect(status.data).toMatchObject({ status: "degraded", mock_mode_enabled: true, message: "Stand-ins only." });
  client.socket.send(JSON.stringify({ type: "subscribe", topic: "nothing" }));
  expect((await client.next("subscription_response")).data).toMatchObject({ subscribed: false });
  client.socket.close();
  await client.closed;
});

it("sends how far a download is, and its end with the predecessor's fields, flat and under data", async () => {
  const client = await openSocket(listening);
  await client.next("connection_established");
  const half = {
    model: "T2V-A14B",
    doneBytes: 30e9,
    totalBytes: 60e9,
    bytesPerSecond: 100e6,
    etaMs: 300_000,
    trouble: null,
    atMs: 0,
  };
  world.frame({ kind: "download", download: { ...half, state: "downloading" } });
  const progress = { model_type: "T2V-A14B", status: "downloading", progress: 50, speed_mbps: 800, eta_seconds: 300 };
  expect((await client.next("download_progress")).data).toMatchObject(progress);
  world.frame({ kind: "download", download: { ...half, state: "failed", trouble: "The hub does not answer." } });
  const failed = { model_type: "T2V-A14B", status: "failed", message: "The hub does not answer." };
  expect(await client.next("model_download_complete")).toMatchObject({ ...failed, data: failed });
  world.frame({ kind: "download", download: { ...half, state: "completed", doneBytes: 60e9 } });
  expect((await client.next("model_download_complete")).data).toMatchObject({
    status: "completed",
    message: expect.stringContaining("complete"),
  });
  client.socket.close();
  await client.closed;
});

it("sends health, samples and recovery attempts with the predecessor's fields", async () => {
  const client = await openSocket(listening);
  await client.next("connection_established");
  world.frame({ kind: "health", health: { ...healthy, issues: ["CPU use is 97 %."] } });
  expect((await client.next("health_status")).data).toMatchObject({
    status: "healthy",
    cpu_usage: 12.5,
    memory_usage: 41.2,
    vram_usage: 0,
    issues: ["CPU use is 97 %."],
    recommendations: [],
  });
  world.frame({
    kind: "recoveryAttempt",
    attempt: {
      failureType: "vram_exhaustion",
      action: "clear_gpu_cache",
      outcome: "effective",
      reason: "freed",
      workerId: "worker-0",
      incidentId: "i-1",
      startedAtMs: 0,
      endedAtMs: 420,
    },
  });
  expect((await client.next("recovery_attempt")).data).toMatchObject({
    failure_type: "vram_exhaustion",
    action: "clear_gpu_cache",
    success: true,
    recovery_time: 0.42,
    error_message: null,
  });
  const host = {
    cpuRatio: 0.5,
    memoryRatio: 0.25,
    memoryUsedBytes: 8 * 1024 ** 3,
    memoryTotalBytes: 32 * 1024 ** 3,
    diskFreeBytes: 1,
  };
  world.frame({ kind: "sample", sample: { atMs: 0, gpuKind: "absent", gpus: [], host } });
  expect((await client.next("system_stats_update")).data).toMatchObject({
    cpu_percent: 50,
    ram_used_gb: 8,
    ram_total_gb: 32,
    ram_percent: 25,
    gpu_percent: 0,
    vram_percent: 0,
  });
  client.socket.close();
  await client.closed;
});

it.each([
  ["a foreign Host", { host: "evil.example" }, 421],
  ["a foreign Origin", { origin: "https://evil.example" }, 403],
  ["another port's Origin", { origin: "http://127.0.0.1:1" }, 403],
])("opens no WebSocket to %s", async (_what, headers, status) => {
  const socket = new WebSocket(`${listening.address.replace("http", "ws")}/ws`, { headers });
  const refused = await new Promise((resolve) => {
    socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
    socket.once("open", () => resolve("open"));
    socket.once("error", () => undefined);
  });
  socket.terminate();
  expect(refused).toBe(status);
});

it("explains itself to a plain request", async () => {
  expect((await fetch(`${listening.address}/ws`)).status).toBe(426);
});

it.each([
  ["no Host at all", "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
  ["a Host that is none", "GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400],
  [
    "two lengths",
    "POST /api/v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    400,
  ],
  ["TRACE", "TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405],
  ["no HTTP", "hello\r\n\r\n", 400],
  [
    "a foreign absolute address",
    "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    421,
  ],
  [
    "an encoded way out",
    "GET /..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    404,
  ],
  ["a way out", "GET /../../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404],
  ["headers without end", `GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`, 431],
])("answers %s with a refusal and goes on serving", async (_what, bytes, status) => {
  expect(statusOf(await exchange(listening, bytes))).toBe(status);
  expect((await fetch(`${listening.address}/livez`)).status).toBe(200);
  expect(world.defects).toEqual([]);
});

it("refuses a taken port with a sentence", async () => {
  await expect(
    listen(world.app, { host: "127.0.0.1", port: listening.port, clock, isInsecure: false }),
  ).rejects.toMatchObject({
    code: "ADDRESS_IN_USE",
    message: expect.stringContaining("--port"),
  });
});

it.each(["0.0.0.0", "::", "192.168.1.4", "127.evil.example", "localhost.example.org"])(
  "listens on %s only with a key",
  async (host) => {
    const refused = listen(world.app, { host, port: 0, clock, isInsecure: false });
    await expect(refused).rejects.toMatchObject({
      code: "INSECURE_BINDING",
      message: expect.stringContaining("understudy token create"),
    });
  },
);

it("stops within its deadline beside open streams, sockets, half-sent requests and slow readers", async () => {
  const other = createServerWorld(clock);
  const server = await listen(other.app, { host: "127.0.0.1", port: 0, clock, isInsecure: false });
  const events = readEvents(await fetch(`${server.address}/api/v1/events`));
  await events.next();
  const socket = await openSocket(server);
  const halfSent = exchange(
    server,
    "POST /api/v1/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{",
  );
  const silent = exchange(server, "GET /livez HTT");
  await clock.turn();
  const beginAtMs = clock.nowMs();
  await server.stop(1_000);
  expect(clock.nowMs() - beginAtMs).toBeLessThan(1_900);
  expect(await events.next()).toMatchObject({ event: "bye" });
  expect(await events.next()).toBeNull();
  expect(await socket.closed).toBe(1001);
  await Promise.all([halfSent, silent]);
  await expect(fetch(`${server.address}/livez`)).rejects.toThrow();
  await server.stop(1_000);
  await other.close();
});

it("stops at once when nothing is under way", async () => {
  const other = createServerWorld(clock);
  const server = await listen(other.app, { host: "127.0.0.1", port: 0, clock, isInsecure: false });
  expect((await fetch(`${server.address}/livez`)).status).toBe(200);
  const beginAtMs = clock.nowMs();
  await server.stop(5_000);
  expect(clock.nowMs() - beginAtMs).toBeLessThan(1_000);
  await other.close();
});
