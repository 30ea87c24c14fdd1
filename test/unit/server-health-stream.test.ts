import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { attemptSchema, healthStatusSchema, systemStatusSchema } from "../../src/contract/recovery-wire.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { eventOf } from "../harness/sample-rows.ts";
import { readEvents } from "./read-events.ts";
import { healthy } from "./server-facts.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const open = async (headers: Record<string, string> = {}, path = "/api/v1/health/stream") =>
  readEvents(await world.app.request(path, { headers }));

describe("the health stream", () => {
  it("begins with the newest check and follows with each", async () => {
    const { next, cancel } = await open({}, "/api/v1/health/stream");
    expect(await next()).toMatchObject({ event: "snapshot", data: { overall_status: "healthy", mode: "ready" } });
    world.frame({ kind: "health", health: { ...healthy, overallStatus: "critical", issues: ["VRAM is full"] } });
    expect(await next()).toMatchObject({
      event: "health",
      data: { overall_status: "critical", issues: ["VRAM is full"] },
    });
    await cancel();
  });

  it("carries the predecessor's three notifications", async () => {
    const { next, cancel } = await open({}, "/api/v1/health/stream");
    await next();
    world.frame({ kind: "health", health: { ...healthy, overallStatus: "critical", issues: ["VRAM is full"] } });
    world.frame({ kind: "mode", mode: "ready", sentence: "At once." });
    const about = {
      failureType: "network_error",
      workerId: null,
      incidentId: null,
      startedAtMs: 0,
      endedAtMs: 1_500,
    } as const;
    world.frame({
      kind: "recoveryAttempt",
      attempt: { ...about, action: "retry_model_download", outcome: "effective", reason: "every file matches" },
    });
    const heard = [await next(), await next(), await next(), await next(), await next()];
    expect(heard.map((event) => event?.event)).toEqual([
      "health",
      "health_status",
      "mode",
      "system_status",
      "recovery_attempt",
    ]);
    expect(healthStatusSchema.parse(heard[1]?.data)).toMatchObject({
      status: "critical",
      cpu_usage: 12.5,
      issues: ["VRAM is full"],
    });
    expect(systemStatusSchema.parse(heard[3]?.data)).toMatchObject({ status: "ready", mock_mode_enabled: false });
    expect(attemptSchema.parse(heard[4]?.data)).toMatchObject({
      success: true,
      recovery_time: 1.5,
      error_message: null,
    });
    await cancel();
  });

  it("numbers every frame, so that a client that was cut off hears each row of health and incidents once", async () => {
    const first = await open({}, "/api/v1/health/stream");
    const snapshot = await first.next();
    const begun = await world.store.events.newestSeq();
    expect([snapshot?.event, snapshot?.id]).toEqual(["snapshot", String(begun)]);
    await world.store.events.append([eventOf("incident.opened"), eventOf("worker.exited")]);
    expect(await first.next()).toMatchObject({ event: "incident.opened", id: String(begun + 1) });
    world.frame({ kind: "health", health: healthy });
    const frames = [await first.next(), await first.next()];
    // A row of another topic is none that this client could miss.
    expect(frames.map((frame) => [frame?.event, frame?.id])).toEqual([
      ["health", String(begun + 2)],
      ["health_status", String(begun + 2)],
    ]);
    await first.cancel();
    await world.store.events.append([eventOf("health.changed"), eventOf("job.submitted"), eventOf("rung.ended")]);
    const again = await open({ "last-event-id": frames[1]?.id ?? "" }, "/api/v1/health/stream");
    const heard = [await again.next(), await again.next(), await again.next(), await again.next(), await again.next()];
    expect(heard.map((frame) => frame?.event)).toEqual([
      "health.changed",
      "rung.ended",
      "health",
      "health_status",
      "mode",
    ]);
    expect(heard.map((frame) => Number(frame?.id) - begun)).toEqual([3, 5, 5, 5, 5]);
    await again.cancel();
  });

  it("with the topic of health carries what was judged and incidents, and neither measurements nor the mode", async () => {
    const { next, cancel } = await open({}, "/api/v1/health/stream?topics=health");
    expect(await next()).toMatchObject({ event: "snapshot", data: { overall_status: "healthy", incidents: [] } });
    world.frame({ kind: "mode", mode: "mock", sentence: "Stand-ins only." });
    world.frame({ kind: "health", health: healthy });
    await world.store.events.append([eventOf("incident.opened")]);
    const heard = [await next(), await next(), await next()];
    expect(heard.map((frame) => frame?.event)).toEqual(["health", "health_status", "incident.opened"]);
    await cancel();
    expect((await world.app.request("/api/v1/health/stream?topics=dances")).status).toBe(422);
  });

  it("brings incidents with the topic of health on the event stream too", async () => {
    const { next, cancel } = await open({}, "/api/v1/events?topics=health");
    await next();
    await world.store.events.append([eventOf("worker.exited"), eventOf("incident.opened"), eventOf("health.changed")]);
    expect([(await next())?.event, (await next())?.event]).toEqual(["incident.opened", "health.changed"]);
    await cancel();
  });

  it("shows unknown before the first check", async () => {
    world.status = { ...world.status, health: null };
    const { next, cancel } = await open({}, "/api/v1/health/stream");
    expect((await next())?.data["overall_status"]).toBe("unknown");
    await cancel();
  });
});
