import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listKeys, makeKey, revokeKey } from "../../src/app/key-operations.ts";
import { createLiveConfig, createReload } from "../../src/app/live-config.ts";
import { backupStore, replayOffline } from "../../src/app/offline.ts";
import { laddersOf, subsystemLimits } from "../../src/app/service-limits.ts";
import { createTurnClock } from "../../src/app/turn-clock.ts";
import { createWebhooks } from "../../src/app/webhooks.ts";
import { type AcceptedConfig, parseConfig } from "../../src/config/parse-config.ts";
import { parseKeyText } from "../../src/core/key-text.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import type { LogLevel } from "../../src/telemetry/logger.ts";
import { type AppWorld, configOf, createAppWorld, workerId } from "./app-world.ts";
import { type ServiceWorld, startServiceWorld } from "./service-world.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "understudy-top-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("keys beside a service", () => {
  it("are shown once, kept as a digest, and open nothing once revoked", async () => {
    const { text, key } = await makeKey(folder, "operator", "console");
    const parts = parseKeyText(text);
    expect(parts?.id).toBe(key.id);
    const kept = await listKeys(folder);
    expect(kept).toMatchObject([{ id: key.id, role: "operator", label: "console" }]);
    expect(JSON.stringify(kept)).not.toContain(parts?.secret);
    expect([await revokeKey(folder, key.id), await revokeKey(folder, "nobody")]).toEqual([true, false]);
  });
});

describe("a copy of the database", () => {
  it("holds what the database held, and is never written over anything", async () => {
    await makeKey(folder, "operator", "console");
    const [database, copy] = [join(folder, "understudy.db"), join(folder, "copy", "understudy.db")];
    await expect(backupStore(join(folder, "nothing.db"), copy)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(backupStore(database, database)).rejects.toMatchObject({ code: "CONFIGURATION_INVALID" });
    await backupStore(database, join(folder, "copy.db"));
    expect(existsSync(join(folder, "copy.db"))).toBe(true);
    expect(statSync(join(folder, "copy.db")).mode & 0o777, "nobody else may read it").toBe(0o600);
  });

  it("an incident that nobody knows is absent, with the newest ones to choose from", async () => {
    await makeKey(folder, "operator", "console");
    expect(replayOffline(join(folder, "understudy.db"), "inc-1-1")).toEqual({ kind: "absent", newestIds: [] });
  });
});

it("all machines see one moment for what happens at once, and the next one after it", async () => {
  let nowMs = 5;
  const clock = createTurnClock({ nowMs: () => nowMs });
  expect(clock.nowMs()).toBe(5);
  nowMs = 9;
  expect(clock.nowMs()).toBe(5);
  await Promise.resolve();
  expect(clock.nowMs()).toBe(9);
});

describe("what the machines keep to", () => {
  it("is what the configuration sets", () => {
    const limits = subsystemLimits(configOf({ "supervision.backoffLongest": "5s", "health.sample": "2s" }));
    expect(Math.max(...(limits.worker?.backoffMs ?? []))).toBe(5 * secondMs);
    expect(limits.health).toMatchObject({ sampleEveryMs: 2 * secondMs, overdueMs: 8 * secondMs });
  });

  it("a ladder that does not end in the stand-in is refused", () => {
    const config = configOf({}, "recovery: { ladders: { vram_exhaustion: [clear_gpu_cache] } }\n");
    expect(() => laddersOf(config)).toThrow(expect.objectContaining({ code: "CONFIGURATION_INVALID" }));
    expect(laddersOf(configOf()).vram_exhaustion.at(-1)).toBe("fallback_to_mock");
  });
});

describe("a configuration that is read again", () => {
  let world: AppWorld;
  beforeEach(async () => {
    world = await createAppWorld();
  });
  afterEach(() => world.close());

  const accepted = (text: string): AcceptedConfig => {
    const answer = parseConfig({ flags: { stateDir: "/nowhere" }, file: { path: "a.yaml", text } });
    if (answer.kind === "refused") throw new Error(answer.message);
    return answer;
  };

  function begin(text: string) {
    const first = accepted(text);
    const live = createLiveConfig(first.config);
    const levels: LogLevel[] = [];
    let changes = 0;
    const logger = { ...world.logger, setLevel: (level: LogLevel) => void levels.push(level) };
    const reload = createReload(first, live, { logger, store: world.store }, () => {
      changes += 1;
    });
    return { live, reload, levels, changes: () => changes };
  }

  it("puts live settings in force, says which wait for a start, and writes both down", async () => {
    const { live, reload, levels, changes } = begin("standIn: { after: 2s }\n");
    await reload(accepted("standIn: { after: 9s }\nlogLevel: info\nport: 9100\n"));
    expect([live.config.standIn.afterMs, live.config.port, levels, changes()]).toEqual([9_000, 9_000, ["info"], 1]);
    expect(await world.rows("configuration.reloaded")).toMatchObject([
      { data: { applied: expect.arrayContaining(["standIn.after", "logLevel"]), waiting: ["port"] } },
    ]);
  });

  it("that is not acceptable changes nothing, and is said", async () => {
    const { live, reload, changes } = begin("standIn: { after: 2s }\n");
    await reload(parseConfig({ flags: { stateDir: "/nowhere", "standIn.after": "soon" } }));
    expect([live.config.standIn.afterMs, changes()]).toEqual([2_000, 0]);
    expect(world.lines).toMatchObject([{ event: "configuration.refused" }]);
  });
});

it("a delivery is sent as soon as a row may have brought one", async () => {
  const world = await createAppWorld();
  const sent: string[] = [];
  const send = async ({ url }: { readonly url: string }) => {
    sent.push(url);
    return { kind: "answered", status: 200 } as const;
  };
  const webhooks = createWebhooks({ ...world, webhooks: { problemOf: () => null, send } });
  const jobId = await world.submit({ webhookUrl: "https://example.org/told" });
  await world.store.jobs.endQueued(jobId, {
    kind: "failed",
    code: "NO_REAL_ROUTE",
    message: "no worker can render it",
  });
  await world.clock.advance(minuteMs);
  expect(sent).toEqual(["https://example.org/told"]);
  await webhooks.stop();
  await world.close();
});

describe("the whole of a service", () => {
  let world: ServiceWorld;
  beforeEach(async () => {
    world = await startServiceWorld({ "supervision.idleUnload": "10m" });
    await world.reachMode("ready");
  });
  afterEach(() => world.stop());

  it("renders what it accepts", async () => {
    const jobId = await world.order();
    expect(await world.ended(jobId)).toBe("succeeded");
    expect(await world.ports.jobs.get(jobId)).toMatchObject({
      result: { servedBy: { worker: workerId, isSimulated: true } },
    });
  });

  it("takes nothing while it is drained, and does again after a resume", async () => {
    expect(await world.ports.intake.drain("operator:a")).toMatchObject({ isDrained: true });
    await expect(world.order()).rejects.toMatchObject({ code: "INTAKE_DRAINED" });
    expect(await world.ports.intake.resume("operator:b")).toMatchObject({ isDrained: false });
    await expect(world.order()).resolves.toBeTypeOf("string");
  });

  it("a pause that frees the cards answers when no worker holds one any more", async () => {
    let view: unknown = null;
    void world.ports.intake.pause({ isReleasing: true, waitMs: minuteMs, by: "operator:a" }).then((answer) => {
      view = answer;
    });
    await world.clock.advanceUntil(() => view !== null, 2 * minuteMs);
    expect(view).toMatchObject({ isPaused: true, holdingWorkers: [], restingWorkers: [workerId] });
    expect(world.workers.get(workerId)?.isAlive).toBe(false);
    await world.ports.intake.resume("operator:a");
    await world.reachMode("ready");
  });

  it("workers rest after a time without a job, and the next job starts them", async () => {
    await world.clock.advance(15 * minuteMs);
    expect(world.workers.get(workerId)?.isAlive).toBe(false);
    expect(await world.ended(await world.order())).toBe("succeeded");
  });

  it("a job in hand ends before a stop that waits for it", async () => {
    const jobId = await world.order();
    await world.clock.advance(3 * secondMs);
    let isOver = false;
    void world.service.finishJobs(10 * minuteMs).then(() => {
      isOver = true;
    });
    await world.clock.advanceUntil(() => isOver, 20 * minuteMs);
    expect([isOver, await world.stateOf(jobId)]).toEqual([true, "succeeded"]);
  });

  it("the last row of an orderly end says that the service stopped, and whether its workers go on", async () => {
    await world.end();
    const newest = (await world.store.events.range(0, 10_000)).at(-1);
    expect(newest).toMatchObject({ kind: "service.stopped", data: { workers_go_on: false } });
  });

  it("cancelling a job in hand frees its worker at once", async () => {
    const jobId = await world.order();
    await world.clock.advance(3 * secondMs);
    expect(await world.ports.control.cancelJob(jobId, "client:a")).toBe("requested");
    await world.clock.advance(5 * secondMs);
    expect([await world.stateOf(jobId), world.workers.get(workerId)?.attach().jobId]).toEqual(["cancelled", null]);
  });

  it("logs requests that were answered, refused or defective, without what is not known", () => {
    const answer = {
      requestId: "r",
      method: "GET",
      route: "/livez",
      status: 200,
      tookMs: 1,
      keyId: null,
      jobId: "job-1",
      incidentId: null,
    };
    world.ports.onAnswered(answer);
    world.ports.onOriginRefused("https://example.org");
    world.ports.onDefect(new Error("a defect"), { requestId: "r", method: "GET", path: "/" });
    expect(world.lines.slice(-3)).toMatchObject([
      { event: "request.answered", jobId: "job-1" },
      { event: "origin.refused", allowWith: "--allow-origin https://example.org" },
      { event: "request.defect", message: expect.stringContaining("a defect") },
    ]);
    expect(world.lines.at(-3)).not.toHaveProperty("keyId");
  });
});
