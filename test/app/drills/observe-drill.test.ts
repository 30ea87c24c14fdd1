import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Drill } from "../../../src/app/drills/drill-list.ts";
import { DrillObserver, type ServiceView } from "../../../src/app/drills/observe-drill.ts";
import type { ErrorCode } from "../../../src/core/error-codes.ts";
import type { NewEvent } from "../../../src/core/events.ts";
import { hourMs, secondMs } from "../../../src/core/units.ts";
import { classify } from "../../../src/recovery/classify.ts";
import { eventOf } from "../../harness/sample-rows.ts";
import { healthy } from "../../unit/server-facts.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";
import { deliver, type Owner, ownerOf } from "./owner-world.ts";

const killing: Pick<Drill, "fault" | "limits" | "shows"> = {
  fault: { kind: "signal", signal: "SIGKILL", times: 1, again: "atOnce" },
  limits: { told: 5 * secondMs },
};
const blinding: typeof killing = { ...killing, fault: { kind: "blind", what: "telemetry", forMs: 1 } };
const sick = { ...healthy, overallStatus: "degraded" } as const;
const aloneMs = 2 * secondMs;

let world: AppWorld;
let owner: Owner;
let observer: DrillObserver;
let context: ReturnType<ServiceView["getSnapshot"]>["context"];

const observe = (drill = killing): DrillObserver =>
  new DrillObserver(world, { getSnapshot: () => ({ context }) }, owner.view, { drill, aloneMs });
const append = (...events: readonly NewEvent[]): Promise<unknown> => world.store.events.append(events);
const exited: NewEvent = {
  kind: "worker.exited",
  workerId,
  data: { code: null, signal: "SIGKILL", expected: false },
};
const retried = (jobId: string, code: ErrorCode): NewEvent => ({
  kind: "job.retried",
  jobId,
  workerId,
  data: {
    fence: 1,
    attempt_ended_as: "error",
    code,
    message: "",
    attempts: 1,
    deaths: 0,
    host_losses: 0,
    model: "T2V-A14B",
    age_ms: 1,
  },
});

beforeEach(async () => {
  world = await createAppWorld();
  owner = ownerOf(world);
  context = { incidents: {} };
  observer = observe();
});
afterEach(async () => {
  observer.end();
  await world.close();
});

describe("what the owner of a drill's job is told", () => {
  it("is nothing by a place in the queue, however soon that is there", async () => {
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    observer.begin(world.clock.nowMs());
    await append(exited);
    await world.store.jobs.release(lease, "its worker died");
    await observer.look(true);
    expect(observer.score().times).toMatchObject({ told: null, watchable: null, delivered: null });
  });

  it.each<[string, (owner: Owner) => void]>([
    ["the mode", (seen) => Object.assign(seen, { service: { ...seen.service, mode: "recovering" } })],
    [
      "an open incident",
      (seen) => {
        const openIncidents = [
          { id: "1", failureType: "network_error", workerId, openedAtMs: 0, sentence: "being repaired" },
        ] as const;
        seen.service = { ...seen.service, openIncidents };
      },
    ],
    ["the job's own incident", (seen) => Object.assign(seen.outlook, { incidentId: "incident-1" })],
    [
      "what the job is promised",
      (seen) => {
        seen.outlook = { ...seen.outlook, promised: { kind: "standInThenReal", sentence: "This video waits." } };
      },
    ],
  ])("is told by %s, and the time counts from the fault", async (_, tell) => {
    observer.follow(await world.submit());
    observer.begin(world.clock.nowMs());
    await observer.look(false);
    await world.clock.advance(3 * secondMs);
    tell(owner);
    await observer.look(false);
    expect(observer.score().times.told).toBe(3 * secondMs);
  });

  it("of a fault of the host is what its health says now and did not say before", async () => {
    observer.end();
    const issue = { ...sick, issues: ["The disk is slow."] };
    owner.service = { ...owner.service, health: issue };
    observer = observe(blinding);
    observer.follow(await world.submit());
    observer.begin(world.clock.nowMs());
    await observer.look(false);
    expect(observer.score().times.told).toBeNull();
    owner.service = { ...owner.service, health: { ...issue, overallStatus: "unknown" } };
    await world.clock.advance(secondMs);
    await observer.look(false);
    expect(observer.score().times.told).toBe(secondMs);
  });
});

describe("what the owner can watch", () => {
  it("is a stand-in from when it was attached, and no video", async () => {
    const jobId = await world.submit();
    observer.follow(jobId);
    observer.begin(world.clock.nowMs());
    await world.clock.advance(2 * secondMs);
    const file = { kind: "stand_in", sha256: "a", bytes: 1, mimeType: "video/mp4", name: "a.mp4" } as const;
    await world.store.jobs.attach(jobId, file, { servedBy: null, reason: "the worker is down" });
    await world.clock.advance(secondMs);
    await observer.look(false);
    expect(observer.score().times).toMatchObject({ watchable: 2 * secondMs, delivered: null });
  });
});

describe("a bystander", () => {
  it("has waited for what its job took beyond such a job alone", async () => {
    const lease = await world.claimNew();
    observer.followBystander(lease.jobId);
    observer.begin(world.clock.nowMs());
    await observer.look(false);
    expect(observer.score()).toMatchObject({ times: { bystander: null }, aloneMs, lostJobCount: 0 });
    await world.clock.advance(7 * secondMs);
    await deliver(world, lease);
    await observer.look(false);
    expect(observer.score().times.bystander).toBe(5 * secondMs);
  });

  it("that was not rendered is a lost job", async () => {
    const jobId = await world.submit();
    observer.followBystander(jobId);
    await world.store.jobs.cancel(jobId, "operator:a");
    await observer.look(false);
    expect(observer.score()).toMatchObject({ lostJobCount: 1, times: { bystander: null } });
  });
});

describe("the end of a drill", () => {
  it("is there only when the fault is over, the service calm, and every job has ended", async () => {
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    observer.begin(world.clock.nowMs());
    expect(await observer.look(true)).toBe(false);
    await deliver(world, lease);
    owner.service = { ...owner.service, mode: "recovering" };
    expect(await observer.look(true)).toBe(false);
    owner.service = { ...owner.service, mode: "ready" };
    expect([await observer.look(false), observer.score().times.recovered]).toEqual([false, null]);
    await world.clock.advance(hourMs);
    expect([await observer.look(true), observer.score().times.recovered]).toEqual([true, hourMs]);
  });

  it("waits for what the drill has to show", async () => {
    observer.end();
    observer = observe({ ...killing, shows: ["breakerCloses"] });
    observer.begin(world.clock.nowMs());
    await append(eventOf("breaker.opened"));
    expect(await observer.look(true)).toBe(false);
    await append(eventOf("breaker.closed"));
    expect(await observer.look(true)).toBe(true);
    expect(observer.score().expectations).toEqual([{ expected: "It gets jobs again by itself.", isMet: true }]);
  });

  it("that came because the service did not let the fault be done to the end is told", () => {
    observer.cutShort();
    expect(observer.score().expectations).toEqual([
      { expected: "The service lets the fault be done to the end.", isMet: false },
    ]);
  });
});

describe("a time that is said", () => {
  it("before the fault is done again cannot know of it, and is not held against the service", async () => {
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    owner.service = { ...owner.service, mode: "recovering" };
    owner.outlook = { ...owner.outlook, etaMs: secondMs };
    for (const isAgain of [true, false]) {
      observer.strike();
      await observer.look(false);
      if (isAgain) await world.clock.advance(30 * secondMs);
    }
    await world.clock.advance(10 * secondMs);
    await deliver(world, lease);
    await observer.look(false);
    expect(observer.score().falseClaims).toEqual([]);
  });

  it("before a card in the worker meets the next render cannot know of that one either", async () => {
    observer.end();
    observer = observe({ ...killing, fault: { kind: "workerCard", card: "oom@denoise:3x3", phase: "denoise" } });
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    observer.strike();
    owner.service = { ...owner.service, mode: "recovering" };
    owner.outlook = { ...owner.outlook, etaMs: secondMs };
    await observer.look(false);
    await world.clock.advance(30 * secondMs);
    await append(retried("job-2", "GPU_OUT_OF_MEMORY"));
    owner.outlook = { ...owner.outlook, etaMs: null };
    await deliver(world, lease);
    await observer.look(false);
    expect(observer.score().falseClaims).toEqual([]);
  });

  it("after the owner was told is held against it", async () => {
    const lease = await world.claimNew();
    observer.follow(lease.jobId);
    observer.strike();
    owner.outlook = { ...owner.outlook, etaMs: secondMs };
    await observer.look(false);
    owner.service = { ...owner.service, mode: "recovering" };
    await world.clock.advance(secondMs);
    await observer.look(false);
    await world.clock.advance(12 * secondMs);
    await deliver(world, lease);
    await observer.look(false);
    expect(observer.score().falseClaims).toEqual(["a video was said to come in 1.0 s, and came after 12.0 s"]);
  });
});

describe("rows", () => {
  it("say when a fault began that fires when the worker likes", async () => {
    expect(observer.hasBegun).toBe(false);
    await append(exited);
    expect(observer.hasBegun).toBe(true);
  });

  it("say what every fault was recognised as: of the one that opened the incident, and of those that joined it", async () => {
    const faultOf = (code: "WORKER_EXITED" | "GPU_OUT_OF_MEMORY") => ({ ...classify({}), code });
    await append(
      eventOf("incident.opened", { fault: faultOf("WORKER_EXITED") }),
      eventOf("incident.joined", { fault: faultOf("GPU_OUT_OF_MEMORY") }),
      retried("job-1", "GPU_OUT_OF_MEMORY"),
      eventOf("rung.ended", { action: "restart_pipeline", outcome: "effective" }),
    );
    expect(observer.score()).toMatchObject({
      recognisedAs: ["WORKER_EXITED", "GPU_OUT_OF_MEMORY"],
      actions: ["restart_pipeline: effective"],
    });
  });

  it("after the end count no more", async () => {
    observer.end();
    await append(exited);
    expect([observer.hasBegun, observer.score().recognisedAs]).toEqual([false, []]);
  });
});
