import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import { rpcErrors } from "../../src/contract/worker-protocol.ts";
import type { RenderRequest } from "../../src/core/job.ts";
import type { WorkerClient, WorkerNotice } from "../../src/core/ports/worker.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { callDeadlines, createWorkerClient } from "../../src/workers/worker-client.ts";
import { until } from "../harness/running-service.ts";

const wireMemory = { total_bytes: 80, allocated_bytes: 10, reserved_bytes: 30, free_bytes: 50, peak_bytes: 40 };
const wireFailure = {
  phase: "denoise",
  step: 12,
  exception_type: "torch.OutOfMemoryError",
  message: "CUDA out of memory.",
  causes: [],
  device_usable: true,
  memory: wireMemory,
};
const wireIdentity = {
  protocol: 1,
  pid: 42,
  kind: "simulator",
  simulated: true,
  device: { uuid: "SIM-0", name: "Simulated", total_bytes: 80 },
  models: ["T2V-A14B"],
  profiles: ["full"],
  actions: ["clear_gpu_cache"],
  phases: ["encode"],
};
const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: "a fox",
  width: 854,
  height: 480,
  frames: 9,
  framesPerSecond: 16,
  steps: 4,
  seed: 1,
  loraPath: null,
  loraStrength: 1,
};

interface Pair {
  readonly clock: VirtualClock;
  readonly client: WorkerClient;
  readonly worker: MessageConnection;
  /** Every request that reached the worker. */
  readonly received: { readonly method: string; readonly params: unknown }[];
  /** The worker's end, and the client's. */
  readonly far: Socket;
  readonly near: Socket;
}
const pairs: Pair[] = [];
let dir: string;
let server: Server;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "understudy-test-"));
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(dir, "worker.sock"), resolve));
});
afterEach(() => {
  for (const { client, worker, far } of pairs.splice(0)) {
    client.close();
    worker.dispose();
    far.destroy();
  }
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

type Answers = Readonly<Record<string, unknown>>;
const never = new Promise<never>(() => undefined);

/** A client and, at the other end of its stream, a worker that answers by a table; an error in it is thrown. */
async function connect(answers: Answers = {}): Promise<Pair> {
  const clock = createVirtualClock();
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const near = connectTo(join(dir, "worker.sock"));
  const far = await accepted;
  const received: Pair["received"] = [];
  const worker = createMessageConnection(new StreamMessageReader(far), new StreamMessageWriter(far));
  worker.onRequest((method, params) => {
    received.push({ method, params });
    const answer = { initialize: wireIdentity, ...answers }[method];
    if (answer instanceof Error) throw answer;
    return answer;
  });
  worker.listen();
  const client = await createWorkerClient({ stream: near, token: "secret", clock });
  const pair = { clock, client, worker, received, far, near };
  pairs.push(pair);
  return pair;
}

describe("the handshake", () => {
  it("shows token and protocol, and knows the worker by its answer", async () => {
    const { client, received } = await connect();
    expect(received).toEqual([{ method: "initialize", params: { protocol: 1, token: "secret" } }]);
    expect(client.identity).toEqual({
      pid: 42,
      kind: "simulator",
      isSimulated: true,
      device: { uuid: "SIM-0", name: "Simulated", totalBytes: 80 },
      models: ["T2V-A14B"],
      profiles: ["full"],
      actions: ["clear_gpu_cache"],
      phases: ["encode"],
    });
  });

  it.each([
    ["a refused token", new ResponseError(rpcErrors.unauthorized, "no"), "WORKER_CONFIGURATION"],
    ["a refused version", new ResponseError(rpcErrors.protocolMismatch, "no"), "WORKER_PROTOCOL_MISMATCH"],
    ["another version", { ...wireIdentity, protocol: 2 }, "WORKER_PROTOCOL_MISMATCH"],
    ["an answer without a device", { ...wireIdentity, device: undefined }, "WORKER_PROTOCOL_MISMATCH"],
    ["a worker that knows no handshake", new ResponseError(-32601, "no"), "FEATURE_UNSUPPORTED"],
  ])("fails for %s", async (_what, initialize, code) => {
    await expect(connect({ initialize })).rejects.toMatchObject({ name: "WorkerError", code });
  });
});

describe("a call", () => {
  it("speaks snake_case on the wire and camelCase in memory", async () => {
    const { client, received } = await connect({
      generate: { accepted: true },
      stats: { memory: wireMemory, resident_model: "T2V-A14B", profile: "full", jobs_done: 3 },
    });
    await client.generate({
      jobId: "job-1",
      fence: 7,
      request,
      workflow: null,
      outputPath: "/o.mp4",
      checkpointDir: "/c",
    });
    expect(received.at(-1)).toEqual({
      method: "generate",
      params: {
        job_id: "job-1",
        fence: 7,
        workflow: null,
        output_path: "/o.mp4",
        checkpoint_dir: "/c",
        request: {
          model: "T2V-A14B",
          prompt: "a fox",
          width: 854,
          height: 480,
          frames: 9,
          frames_per_second: 16,
          steps: 4,
          seed: 1,
          lora_path: null,
          lora_strength: 1,
        },
      },
    });
    expect(await client.stats()).toEqual({
      memory: { totalBytes: 80, allocatedBytes: 10, reservedBytes: 30, freeBytes: 50, peakBytes: 40 },
      residentModel: "T2V-A14B",
      profile: "full",
      jobsDone: 3,
    });
  });

  it("leaves an absent profile out", async () => {
    const { client, received } = await connect({
      "action/run": { applied: ["cache"], before: wireMemory, after: wireMemory },
    });
    await client.runAction({ action: "clear_gpu_cache" });
    expect(received.at(-1)?.params).toEqual({ action: "clear_gpu_cache" });
  });

  it("hands on the worker's own report of a failure", async () => {
    const { client } = await connect({
      "model/load": new ResponseError(rpcErrors.failed, "out of memory", wireFailure),
    });
    await expect(client.loadModel({ model: "T2V-A14B", profile: "full" })).rejects.toMatchObject({
      code: "WORKER_ERROR",
      details: {
        rpcCode: rpcErrors.failed,
        failure: {
          phase: "denoise",
          step: 12,
          exceptionType: "torch.OutOfMemoryError",
          deviceUsable: true,
          memory: { reservedBytes: 30 },
        },
      },
    });
  });

  it.each([
    ["busy", rpcErrors.busy, "WORKER_ERROR", true],
    ["unsupported", rpcErrors.unsupported, "FEATURE_UNSUPPORTED", false],
    ["bad params", -32602, "WORKER_PROTOCOL_MISMATCH", false],
    ["an internal error", -32603, "WORKER_ERROR", false],
  ])("names %s", async (_what, rpcCode, code, retryable) => {
    const { client } = await connect({ stats: new ResponseError(rpcCode, "no") });
    await expect(client.stats()).rejects.toMatchObject({ code, retryable, details: { rpcCode } });
  });

  it("rejects an answer that does not fit the protocol", async () => {
    const { client } = await connect({
      stats: { memory: wireMemory, resident_model: "../GPT", profile: null, jobs_done: 0 },
    });
    await expect(client.stats()).rejects.toMatchObject({
      code: "WORKER_PROTOCOL_MISMATCH",
      message: expect.stringContaining("stats"),
    });
  });

  it("never sends an order that does not fit the protocol", async () => {
    const { client, received } = await connect();
    await expect(client.acknowledge("job-1", -1)).rejects.toMatchObject({ code: "WORKER_PROTOCOL_MISMATCH" });
    expect(received.map(({ method }) => method)).toEqual(["initialize"]);
  });

  it("is given up at its deadline, and a late answer changes nothing", async () => {
    let answer = (_value: unknown): void => undefined;
    const { client, clock } = await connect({ stats: new Promise((resolve) => (answer = resolve)) });
    const call = client.stats().then(
      () => "answered",
      (thrown: unknown) => thrown,
    );
    await clock.advance(callDeadlines.stats - 1);
    expect(await Promise.race([call, clock.settle().then(() => "pending")])).toBe("pending");
    await clock.advance(1);
    answer({ memory: wireMemory, resident_model: null, profile: null, jobs_done: 0 });
    await clock.settle();
    expect(await call).toMatchObject({ code: "WORKER_SILENT", retryable: true });
    expect(clock.pendingCount).toBe(0);
  });

  it("ends with the signal's reason, also when that came before", async () => {
    const { client, clock } = await connect({ stats: never });
    const controller = new AbortController();
    const call = client.stats(controller.signal);
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    await expect(client.stats(controller.signal)).rejects.toThrow("enough");
    expect(clock.pendingCount).toBe(0);
  });
});

describe("the end of the connection", () => {
  it("rejects every pending call and every later one, and is told once", async () => {
    const { client, clock, far, received } = await connect({ stats: never, attach: never });
    let closedCount = 0;
    client.onClose(() => (closedCount += 1));
    const calls = [client.stats(), client.attach()].map((call) => call.catch((thrown: unknown) => thrown));
    await until("both have reached the worker", () => received.length === 3);
    far.destroy();
    for (const thrown of await Promise.all(calls))
      expect(thrown).toMatchObject({ code: "WORKER_EXITED", retryable: true });
    await expect(client.shutdown("stop")).rejects.toMatchObject({ code: "WORKER_EXITED" });
    client.close();
    expect(closedCount).toBe(1);
    expect(clock.pendingCount).toBe(0);
  });

  it("is the answer to a call that comes after the stream's close and before the end is told", async () => {
    const { client, far, near } = await connect();
    const call = new Promise((resolve, reject) => near.once("close", () => client.stats().then(resolve, reject)));
    far.destroy();
    await expect(call).rejects.toMatchObject({ name: "WorkerError", code: "WORKER_EXITED" });
  });

  it("comes after everything that the worker had sent", async () => {
    const { client, worker, far } = await connect();
    const seen: string[] = [];
    client.onNotice((notice) => seen.push(notice.kind));
    const closed = new Promise<void>((resolve) => client.onClose(resolve));
    const progress = { job_id: "job-1", fence: 1, phase: "denoise", of: 40 };
    for (let step = 0; step < 40; step += 1) void worker.sendNotification("progress", { ...progress, step });
    await worker.sendNotification("failed", { job_id: "job-1", fence: 1, failure: wireFailure });
    far.end();
    await closed;
    expect(seen).toHaveLength(41);
    expect(seen.at(-1)).toBe("failed");
  });

  it.each([
    [
      "a notification that does not fit the protocol",
      ({ worker }: Pair) => void worker.sendNotification("heartbeat", { main_thread_idle_ms: "soon" }),
      /heartbeat/,
    ],
    [
      "a completed render without a path",
      ({ worker }: Pair) => void worker.sendNotification("completed", { job_id: "job-1", fence: 1 }),
      /completed/,
    ],
    [
      "bytes that are no JSON-RPC",
      ({ far }: Pair) => void far.write("GET / HTTP/1.1\r\n\r\n"),
      /Content-Length|header/i,
    ],
  ])("follows %s, and says why", async (_what, breach, why) => {
    const pair = await connect();
    const seen: WorkerNotice[] = [];
    pair.client.onNotice((notice) => seen.push(notice));
    const closed = new Promise<void>((resolve) => pair.client.onClose(resolve));
    breach(pair);
    await closed;
    expect(seen).toEqual([]);
    await expect(pair.client.stats()).rejects.toMatchObject({
      code: "WORKER_EXITED",
      cause: { message: expect.stringMatching(why) },
    });
  });
});

describe("notices", () => {
  it("arrive in camelCase and in order, and a kind that is not known is passed over", async () => {
    const { client, worker } = await connect();
    const seen: WorkerNotice[] = [];
    const stop = client.onNotice((notice) => seen.push(notice));
    void worker.sendNotification("progress", {
      job_id: "job-1",
      fence: 1,
      phase: "decode",
      step: 1,
      of: 2,
      long_phase_ms: 9_000,
    });
    void worker.sendNotification("progress", { job_id: "job-1", fence: 1, phase: "decode", step: 2, of: 2 });
    void worker.sendNotification("from_the_future", {});
    void worker.sendNotification("load_progress", { model: "T2V-A14B", ratio: 0.5 });
    await worker.sendNotification("failed", { job_id: "job-1", fence: 1, failure: { ...wireFailure, memory: null } });
    await until("the last notice", () => seen.at(-1)?.kind === "failed");
    expect(seen).toEqual([
      { kind: "progress", jobId: "job-1", fence: 1, phase: "decode", step: 1, of: 2, longPhaseMs: 9_000 },
      { kind: "progress", jobId: "job-1", fence: 1, phase: "decode", step: 2, of: 2 },
      { kind: "loadProgress", model: "T2V-A14B", ratio: 0.5 },
      {
        kind: "failed",
        jobId: "job-1",
        fence: 1,
        failure: {
          phase: "denoise",
          step: 12,
          exceptionType: "torch.OutOfMemoryError",
          message: "CUDA out of memory.",
          causes: [],
          deviceUsable: true,
          memory: null,
        },
      },
    ]);
    stop();
    const other = new Promise((resolve) => client.onNotice(resolve));
    await worker.sendNotification("heartbeat", { main_thread_idle_ms: 3 });
    await other;
    expect(seen).toHaveLength(4);
  });
});
