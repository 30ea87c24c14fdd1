import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listedKinds } from "../../src/contract/event-words.ts";
import { topicOfKind } from "../../src/contract/stream-topics.ts";
import { rowSchema, snapshotSchema } from "../../src/contract/stream-wire.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { classify } from "../../src/recovery/classify.ts";
import {
  createSseChannel,
  encodeSse,
  longestQueueBytes,
  longestQueueCount,
} from "../../src/server/streams/sse-channel.ts";
import { eventOf } from "../harness/sample-rows.ts";
import { readEvents } from "./read-events.ts";
import { healthy } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let clock: VirtualClock;
let world: ServerWorld;
beforeEach(() => {
  clock = createVirtualClock();
  world = createServerWorld(clock);
});
afterEach(() => world.close());

const open = async (headers: Record<string, string> = {}, path = "/api/v1/events") => {
  const response = await world.app.request(path, { headers });
  return { response, ...readEvents(response) };
};

describe("the event stream", () => {
  it("begins with a snapshot that holds all that a page needs", async () => {
    const id = await world.submitted({ prompt: "a fox" });
    await world.standIn(id);
    const { response, next, cancel } = await open();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
      "cache-control": "no-cache, no-transform",
    });
    const first = await next();
    expect(first?.event).toBe("snapshot");
    const snapshot = snapshotSchema.parse(first?.data);
    expect(first?.id).toBe(String(snapshot.seq));
    expect(snapshot).toMatchObject({
      mode: "ready",
      simulated: true,
      queue: { pending_tasks: 1 },
      last_output: { id, is_mock: true },
    });
    expect(snapshot.described_kinds).toEqual(expect.arrayContaining(["job.succeeded", "rung.ended"]));
    expect(snapshot.recent.map((row) => row.text)).toEqual([
      `Job ${id.slice(0, 8)} was accepted.`,
      `Job ${id.slice(0, 8)} shows a stand-in: the worker is being restarted.`,
    ]);
    await cancel();
  });

  it("lists the rows that tell a person something new, and leaves the story of an incident to its page", async () => {
    await world.store.events.append([
      eventOf("rung.ended", { action: "clear_gpu_cache", outcome: "effective" }),
      eventOf("climb.ended"),
      eventOf("machine.transitioned"),
    ]);
    const { next, cancel } = await open();
    const snapshot = snapshotSchema.parse((await next())?.data);
    expect(snapshot.recent.map((row) => row.text)).toEqual(["Clear the card's cache: it helped."]);
    expect(snapshot.described_kinds).not.toContain("climb.ended");
    await cancel();
  });

  it("shows the last clip also behind a long queue of new jobs", async () => {
    await world.submitted();
    const { jobId } = await world.finish();
    await clock.advance(10);
    for (let number = 0; number < 25; number += 1) await world.submitted();
    const { next, cancel } = await open();
    expect(snapshotSchema.parse((await next())?.data).last_output?.id).toBe(jobId);
    await cancel();
  });

  it("goes on with each row once, in order, under its number, in snake_case", async () => {
    const { next, cancel } = await open();
    const snapshot = await next();
    const id = await world.submitted();
    const { evidence } = classify({ exitCode: 137, silentForMs: 5 });
    await world.store.events.append([eventOf("incident.joined", { fault: { ...classify({}), evidence } })]);
    const submitted = await next();
    const joined = await next();
    expect([submitted?.event, joined?.event]).toEqual(["job.submitted", "incident.joined"]);
    expect(Number(submitted?.id)).toBe(Number(snapshot?.id) + 1);
    expect(Number(joined?.id)).toBe(Number(submitted?.id) + 1);
    expect(rowSchema.parse(submitted?.data)).toMatchObject({ job_id: id, actor: "client:local" });
    expect(rowSchema.parse(joined?.data).data).toMatchObject({
      fault: { fault_class: expect.any(String), evidence: { exit_code: 137, silent_for_ms: 5 } },
    });
    await cancel();
  });

  it("encodes a row and a frame once for all clients, who hold the same bytes", async () => {
    const decoder = new TextDecoder();
    const open = async () =>
      ((await world.app.request("/api/v1/events")).body as ReadableStream<Uint8Array>).getReader();
    const readers = [await open(), await open()];
    const chunksOf = (event: string) =>
      Promise.all(
        readers.map(async (reader) => {
          for (;;) {
            const { value, done } = await reader.read();
            if (done || decoder.decode(value).startsWith(`event: ${event}\n`)) return value;
          }
        }),
      );
    await chunksOf("snapshot");
    // The first row may still be read from the log by each client for itself.
    for (const kind of ["disk.short", "worker.exited"] as const) {
      await world.store.events.append([eventOf(kind)]);
      const [first, second] = await chunksOf(kind);
      if (kind === "worker.exited") expect(first).toBe(second);
    }
    world.frame({ kind: "mode", mode: "ready", sentence: "All is well." });
    const [first, second] = await chunksOf("mode");
    expect(first).toBe(second);
    await Promise.all(readers.map((reader) => reader.cancel()));
  });

  it("replays what was missed after Last-Event-ID and then goes on", async () => {
    await world.submitted();
    const after = await world.store.events.newestSeq();
    const missed = [await world.submitted(), await world.submitted()];
    const { next, cancel } = await open({ "last-event-id": String(after) });
    expect([(await next())?.data["job_id"], (await next())?.data["job_id"]]).toEqual(missed);
    expect((await next())?.event).toBe("mode");
    const live = await world.submitted();
    const row = await next();
    expect([row?.id, row?.data["job_id"]]).toEqual([String(after + 3), live]);
    await cancel();
  });

  it("replays more than a client's queue holds, at the pace at which the client reads", async () => {
    await world.submitted();
    const after = await world.store.events.newestSeq();
    const count = longestQueueCount * 3;
    await world.store.events.append(Array.from({ length: count }, () => eventOf("worker.exited")));
    const { next, cancel } = await open({ "last-event-id": String(after) });
    for (let number = 1; number <= count; number += 1) expect((await next())?.id).toBe(String(after + number));
    await cancel();
  });

  it.each(["999999", "-1", "abc", "0", "1.5", "99999999999999999999"])(
    "answers the unknown Last-Event-ID %s with a snapshot",
    async (id) => {
      await world.submitted();
      const { next, cancel } = await open({ "last-event-id": id });
      expect((await next())?.event).toBe("snapshot");
      await cancel();
    },
  );

  it("answers an id that was pruned with a snapshot", async () => {
    await world.submitted();
    const first = await world.store.events.oldestSeq();
    await clock.advance(10_000);
    await world.submitted();
    await world.store.events.prune(5_000);
    const { next, cancel } = await open({ "last-event-id": String(first) });
    expect((await next())?.event).toBe("snapshot");
    await cancel();
  });

  it("sends progress, mode and recovery attempts without a number", async () => {
    const { next, cancel } = await open();
    await next();
    world.frame({
      kind: "progress",
      progress: {
        jobId: "j-1",
        workerId: "worker-0",
        phase: "denoise",
        step: 3,
        of: 12,
        ratio: 0.999,
        atMs: 0,
        etaMs: null,
      },
    });
    world.frame({ kind: "mode", mode: "mock", sentence: "Stand-ins only." });
    world.frame({
      kind: "recoveryAttempt",
      attempt: {
        failureType: "network_error",
        action: "retry_model_download",
        outcome: "failed",
        reason: "no route",
        workerId: null,
        incidentId: null,
        startedAtMs: 0,
        endedAtMs: 1_500,
      },
    });
    expect(await next()).toEqual({
      event: "progress",
      id: null,
      data: { job_id: "j-1", worker_id: "worker-0", phase: "denoise", step: 3, of: 12, progress: 99 },
    });
    expect(await next()).toEqual({ event: "mode", id: null, data: { mode: "mock", sentence: "Stand-ins only." } });
    expect(await next()).toEqual({
      event: "system_status",
      id: null,
      data: { status: "degraded", mode: "mock", message: "Stand-ins only.", mock_mode_enabled: true },
    });
    expect((await next())?.data).toMatchObject({ success: false, recovery_time: 1.5, error_message: "no route" });
    await cancel();
  });

  it("sends a heartbeat every 15 s", async () => {
    const response = await world.app.request("/api/v1/events");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await clock.settle();
    await clock.advance(15_000);
    let text = "";
    while (!text.includes(": heartbeat\n\n")) text += new TextDecoder().decode((await reader.read()).value);
    expect(text).toContain("event: snapshot");
    await reader.cancel();
  });

  it("listens to nothing and keeps no timer once its last client has left", async () => {
    const one = await open();
    const two = await open();
    await one.next();
    expect(world.listenerCount()).toBe(1);
    await one.cancel();
    await two.cancel();
    expect([world.listenerCount(), world.app.streams.count()]).toEqual([0, 0]);
    await clock.advance(200);
    expect(clock.pendingCount).toBe(0);
  });

  it("says goodbye and ends when the service stops, and opens no more", async () => {
    const { next } = await open();
    await next();
    world.app.streams.endAll();
    expect(await next()).toMatchObject({ event: "bye", data: { reason: "stopping" } });
    expect(await next()).toBeNull();
    expect((await world.app.request("/api/v1/events")).status).toBe(503);
  });

  it("sends of rows and frames only the topics that a client asks for, live and again after a cut", async () => {
    await world.submitted();
    const after = await world.store.events.newestSeq();
    const { next, cancel } = await open({}, "/api/v1/events?topics=workers,service");
    expect((await next())?.event).toBe("snapshot");
    await world.submitted();
    await world.store.events.append([
      eventOf("incident.opened"),
      eventOf("worker.exited"),
      eventOf("retention.applied"),
    ]);
    world.frame({ kind: "health", health: healthy });
    world.frame({ kind: "mode", mode: "mock", sentence: "Stand-ins only." });
    // The mode is the same: a page shows the other sentence, and nobody is told of another mode.
    world.frame({ kind: "sentence", mode: "mock", sentence: "Stand-ins only, after two before it." });
    const heard = [await next(), await next(), await next(), await next(), await next()];
    expect(heard.map((event) => event?.event)).toEqual([
      "worker.exited",
      "retention.applied",
      "mode",
      "system_status",
      "mode",
    ]);
    expect(heard.at(-1)?.data).toEqual({ mode: "mock", sentence: "Stand-ins only, after two before it." });
    expect(heard[0]?.id).toBe(String(after + 3));
    await cancel();
    const again = await open({ "last-event-id": String(after) }, "/api/v1/events?topics=jobs");
    expect((await again.next())?.event).toBe("job.submitted");
    const id = await world.submitted();
    let row = await again.next();
    while (row?.event === "mode") row = await again.next();
    expect(row?.data["job_id"]).toBe(id);
    await again.cancel();
  });

  it.each(["dances", "", "jobs,dances", "jobs,,health"])(
    "refuses the topics %j and says which there are",
    async (topics) => {
      const answer = await world.app.request(`/api/v1/events?topics=${topics}`);
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({
        code: "REQUEST_INVALID",
        error: { param: "topics" },
        detail: expect.stringContaining("jobs, incidents"),
      });
    },
  );

  it("knows a topic for every kind of row that has words", () => {
    const topics = new Set(listedKinds.map(topicOfKind));
    expect([...topics].toSorted()).toEqual(["health", "incidents", "jobs", "service", "workers"]);
    expect(topicOfKind("machine.transitioned")).toBe("machines");
  });

  it("drops what a client does not read, and brings it up to date by a snapshot once it reads again", async () => {
    const { next, cancel } = await open();
    await next();
    const rows = Array.from({ length: longestQueueCount + 200 }, () => eventOf("worker.exited"));
    await world.store.events.append(rows);
    const kinds: (string | undefined)[] = [];
    while (kinds.at(-1) !== "resync") kinds.push((await next())?.event);
    expect(kinds.length).toBeLessThan(100);
    const snapshot = await next();
    expect([snapshot?.event, snapshot?.id]).toEqual(["snapshot", String(await world.store.events.newestSeq())]);
    const id = await world.submitted();
    expect((await next())?.data["job_id"]).toBe(id);
    await cancel();
  });
});

describe("an SSE channel", () => {
  it("counts the weight of what waits, and lets a single heavy event in", async () => {
    let resyncCount = 0;
    const channel = createSseChannel({ onResync: () => (resyncCount += 1), onClosed: () => undefined });
    const reader = channel.body.getReader();
    for (let number = 0; number < 20; number += 1) channel.send(encodeSse({ event: "small", data: number }));
    channel.send(encodeSse({ event: "heavy", data: "x".repeat(2 * longestQueueBytes) }));
    const heard: string[] = [];
    while (!heard.at(-1)?.startsWith("event: resync"))
      heard.push(new TextDecoder().decode((await reader.read()).value));
    expect([heard.some((text) => text.startsWith("event: heavy")), resyncCount]).toEqual([false, 1]);
    channel.send(encodeSse({ event: "heavy", data: "x".repeat(2 * longestQueueBytes) }));
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("event: heavy");
    await reader.cancel();
  });

  it("holds no more than its bound for a client that never reads", () => {
    let resyncCount = 0;
    const channel = createSseChannel({ onResync: () => (resyncCount += 1), onClosed: () => undefined });
    for (let number = 0; number < 10 * longestQueueCount; number += 1)
      channel.send(encodeSse({ event: "x", data: number }));
    expect(resyncCount).toBe(0);
    channel.end("stopping");
    expect(channel.isClosed()).toBe(true);
  });
});
