import { describe, expect, it } from "vitest";
import type { Fault } from "../../src/core/fault.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { FailureType } from "../../src/core/words.ts";
import { childIds } from "../../src/machines/supervisor-children.ts";
import { unknownWorker } from "../../src/machines/supervisor-facts.ts";
import { openOrJoin } from "../../src/machines/supervisor-incidents.ts";
import type { Route } from "../../src/machines/supervisor-route.ts";
import { routeOf } from "../../src/machines/supervisor-routes.ts";
import { nothingResumed, type SupervisorContext } from "../../src/machines/supervisor-types.ts";
import { faultOf as faultOfClass } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { recognition } from "../../src/recovery/recognition.ts";
import { faultWith } from "../fixtures/faults.ts";

const nowMs = 1_000_000;

function contextWith(change: Partial<SupervisorContext> = {}): SupervisorContext {
  return {
    epoch: 3,
    configured: [
      { id: "a", model: "T2V-A14B", profile: "model-offload" },
      { id: "b", model: "T2V-A14B", profile: "model-offload" },
    ],
    ladders: defaultLadders,
    clock: { nowMs: () => nowMs },
    catalog: createModelCatalog(),
    gpuExpectation: "always",
    limits: {},
    resumed: nothingResumed,
    draws: [],
    workers: {
      a: { ...unknownWorker, process: "connected", isProven: true, deviceUuid: "card" },
      b: { ...unknownWorker, process: "connected", isProven: true, deviceUuid: "card" },
    },
    incidents: {},
    incidentCount: 0,
    budgetSpentAtMs: [],
    cooldowns: {},
    breakers: {},
    crashes: {},
    mode: "ready",
    isProcessorShort: false,
    isDiskShort: false,
    lead: "T2V-A14B",
    pause: null,
    drain: null,
    isDrilling: false,
    stopShape: "ladder",
    finishUntilMs: 0,
    trials: [],
    deliveredJobIds: [],
    vainLadders: [],
    ...change,
  };
}

const outOfMemory = faultOfClass(recognition("outOfMemory", 1, "test"), { message: "out of memory" });

const faultOf = (failureType: FailureType | null, change: Partial<Fault> = {}): Fault =>
  faultWith(outOfMemory, { attribution: "worker", failureType, ...change });

const suffer = (context: SupervisorContext, workerId: string, fault: Fault): Route =>
  openOrJoin(context, { workerId, fault, model: "T2V-A14B", jobId: "job", origin: "fault" });
const applied = (context: SupervisorContext, route: Route): SupervisorContext => ({ ...context, ...route.change });
const sentTo = (route: Route, to: string): string[] =>
  route.sends.filter(([childId]) => childId === to).map(([, event]) => event.type);

describe("the supervisor's incidents", () => {
  it("opens one for a fault and gives it a recovery of its own", () => {
    const route = suffer(contextWith(), "a", faultOf("vram_exhaustion"));
    expect(route.spawns).toMatchObject([
      {
        incident: { id: "inc-3-1", workerId: "a", failureType: "vram_exhaustion", model: "T2V-A14B" },
        cooldownUntilMs: null,
      },
    ]);
    // Once the files of the worker's first model were repaired, whichever model had failed.
    expect(route.facts).toMatchObject([{ type: "incident.opened", id: "inc-3-1", model: "T2V-A14B" }]);
  });

  it("opens none for a request's own fault", () => {
    expect(suffer(contextWith(), "a", faultOf(null, { attribution: "request" }))).toEqual({
      change: {},
      sends: [],
      facts: [],
      spawns: [],
    });
  });

  it("joins the same fault of the same worker, and opens another for another worker", () => {
    const first = contextWith();
    const opened = applied(first, suffer(first, "a", faultOf("vram_exhaustion")));
    const joined = suffer(opened, "a", faultOf("vram_exhaustion"));
    expect(joined.spawns).toEqual([]);
    expect(sentTo(joined, childIds.recovery("inc-3-1"))).toEqual(["fault.joined"]);
    expect(suffer(opened, "b", faultOf("vram_exhaustion")).spawns).toHaveLength(1);
  });

  it("joins faults of the host over all workers of the device", () => {
    const host = faultOf("system_resource_error", { code: "SYSTEM_RESOURCE", attribution: "host" });
    const first = contextWith();
    const opened = applied(first, suffer(first, "a", host));
    expect(suffer(opened, "b", host).spawns).toEqual([]);
  });

  it("starts an incident inside its cooldown with the cooldown's end", () => {
    const context = contextWith({ cooldowns: { "a/vram_exhaustion": nowMs + 5_000 } });
    const spawn = suffer(context, "a", faultOf("vram_exhaustion")).spawns[0];
    expect(spawn?.cooldownUntilMs).toBe(nowMs + 5_000);
    // Nobody is told of a repair before the test render has said that there is one to make.
    expect(spawn?.incident.stage).toBe("checking");
  });

  const wanted = { type: "model.setAside", workerId: "a", model: "TI2V-5B" } as const;
  const networkDown = faultOf("network_error", { attribution: "network" });
  const setAside = (context: SupervisorContext): Route => routeOf(context, { ...wanted, fault: networkDown }, false);

  it("a model that a job wanted and that does not load is told, and its worker is left in peace", () => {
    const route = setAside(contextWith());
    expect(route.spawns).toEqual([]);
    expect(route.facts.slice(0, 2)).toMatchObject([
      { type: "model.setAside" },
      { type: "incident.opened", model: "TI2V-5B", attendance: "setAside" },
    ]);
    expect(route.sends).toEqual([[childIds.pipeline("a"), { type: "model.lost" }]]);
    const again = setAside(applied(contextWith(), route));
    expect(again.facts.map(({ type }) => type)).toEqual(["model.setAside", "incident.joined"]);
  });

  it("ends it when that very model is proven", () => {
    const context = applied(contextWith(), setAside(contextWith()));
    const prove = (model: string, workerId: string): Route =>
      routeOf(context, { type: "model.proven", workerId, model, profile: "full", trial: null }, false);
    for (const [model, workerId] of [
      ["T2V-A14B", "a"],
      ["TI2V-5B", "b"],
    ] as const)
      expect(prove(model, workerId).facts.map(({ type }) => type)).not.toContain("incident.closed");
    const ended = prove("TI2V-5B", "a");
    expect(ended.facts).toContainEqual({ type: "incident.closed", id: "inc-3-1", status: "resolved", climbCount: 0 });
    expect(applied(context, ended).incidents).toEqual({});
  });

  it("ends it without a proof when no job has wanted that model for an hour", () => {
    const asideAt = (atMs: number): SupervisorContext => {
      const context = contextWith({ clock: { nowMs: () => atMs } });
      return applied(context, setAside(context));
    };
    const sweep = (context: SupervisorContext): Route =>
      routeOf({ ...context, clock: { nowMs: () => nowMs } }, { type: "incidents.sweep" }, false);
    expect(sweep(asideAt(nowMs - 3_599_000)).facts).toEqual([]);
    const swept = sweep(asideAt(nowMs - 3_600_000));
    expect(swept.facts).toContainEqual({ type: "incident.closed", id: "inc-3-1", status: "abandoned", climbCount: 0 });
    const longAgo = contextWith({ clock: { nowMs: () => 0 } });
    expect(sweep(applied(longAgo, suffer(longAgo, "a", faultOf("vram_exhaustion")))).change.incidents).toBeUndefined();
  });

  it("opens one for the worker itself, however many models are aside", () => {
    const aside = setAside(contextWith()).change.incidents?.["inc-3-1"];
    if (aside === undefined) throw new Error("no incident was opened");
    const incidents = Object.fromEntries(
      ["1", "2", "3", "4", "5", "6", "7", "8"].map((id) => [id, { ...aside, id, key: id }]),
    );
    expect(suffer(contextWith({ incidents }), "b", faultOf("vram_exhaustion")).spawns).toHaveLength(1);
  });

  it("opens another for the worker itself meanwhile, even of the same kind", () => {
    const context = applied(contextWith(), setAside(contextWith()));
    expect(suffer(context, "a", networkDown).spawns).toHaveLength(1);
    const death = routeOf(
      context,
      { type: "worker.exited", workerId: "a", exit: null, evidence: { exitSignal: "SIGKILL" }, isExpected: false },
      false,
    );
    expect(death.spawns).toMatchObject([{ origin: "workerDeath" }]);
  });

  it("holds at most eight, and joins more to the worker's oldest", () => {
    const types: readonly string[] = ["1", "2", "3", "4", "5", "6", "7", "8"];
    const incidents = Object.fromEntries(
      types.map((id) => [
        id,
        {
          id,
          key: id,
          workerId: "a",
          failureType: "network_error" as const,
          model: null,
          stage: "working" as const,
          fault: faultOf("network_error"),
          openedAtMs: 0,
          lastFaultAtMs: 0,
          climbCount: 0,
          jobIds: [],
          lookBackCount: 0,
          lookBackAtMs: null,
        },
      ]),
    );
    const route = suffer(contextWith({ incidents }), "a", faultOf("vram_exhaustion"));
    expect(route.spawns).toEqual([]);
    expect(sentTo(route, childIds.recovery("1"))).toEqual(["fault.joined"]);
  });
});

describe("the supervisor's routes", () => {
  const exited = { type: "worker.exited", workerId: "a", exit: null, evidence: { exitSignal: "SIGKILL" } } as const;

  it("tells pipeline and loader of a death, and opens an incident that waits for the restart", () => {
    const route = routeOf(contextWith(), { ...exited, isExpected: false }, false);
    expect(sentTo(route, childIds.pipeline("a"))).toContain("worker.exited");
    expect(sentTo(route, childIds.loader("a"))).toContain("worker.exited");
    expect(route.spawns).toMatchObject([{ origin: "workerDeath" }]);
  });

  it("makes no incident of a stop that was asked for", () => {
    expect(routeOf(contextWith(), { ...exited, isExpected: true }, false).spawns).toEqual([]);
  });

  it("grants heavy actions within the budget, writes them down first, and refuses beyond it", () => {
    const ask = { type: "budget.request", workerId: "a", action: "restart_pipeline" } as const;
    const granted = routeOf(contextWith(), ask, false);
    expect(granted.facts).toMatchObject([{ type: "budget.spent", spentAtMs: [nowMs] }]);
    expect(sentTo(granted, childIds.worker("a"))).toEqual(["budget.granted"]);
    const refused = routeOf(
      contextWith({ budgetSpentAtMs: Array.from({ length: 10 }, (_, index) => nowMs - index) }),
      ask,
      false,
    );
    expect(sentTo(refused, childIds.worker("a"))).toEqual(["budget.refused"]);
  });

  it("closes the pipeline of an open breaker, and opens it when the breaker closes", () => {
    const opened = routeOf(
      contextWith(),
      { type: "breaker.opened", workerId: "a", untilMs: nowMs + 1, openingCount: 1, because: "told" },
      false,
    );
    expect(opened.sends).toContainEqual([childIds.pipeline("a"), { type: "pipeline.admit", admission: "none" }]);
    const closed = routeOf(contextWith(), { type: "breaker.closed", workerId: "a", because: "" }, false);
    expect(closed.sends).toContainEqual([childIds.pipeline("a"), { type: "pipeline.admit", admission: "all" }]);
  });

  it("hands what an operator asks of one child on to that child, also while the service stops", () => {
    const cancel = { type: "job.cancel", workerId: "a", jobId: "j1" } as const;
    for (const isDraining of [false, true]) {
      expect(routeOf(contextWith(), cancel, isDraining).sends).toEqual([
        [childIds.pipeline("a"), { type: "job.cancel", jobId: "j1" }],
      ]);
      expect(routeOf(contextWith(), { type: "monitor.stop" }, isDraining).sends).toEqual([
        [childIds.health, { type: "monitor.stop" }],
      ]);
    }
  });

  it("says a change of mode once, with what it was", () => {
    const loopA = applied(
      contextWith(),
      routeOf(contextWith(), { type: "worker.crashLooped", workerId: "a", deathCount: 5 }, false),
    );
    const route = routeOf(loopA, { type: "worker.crashLooped", workerId: "b", deathCount: 5 }, false);
    expect(route.facts.filter((fact) => fact.type === "mode.changed")).toEqual([
      { type: "mode.changed", from: "degraded", to: "mock" },
    ]);
  });
});

describe("what a worker may hold on its card", () => {
  const known = (context: SupervisorContext, event: Parameters<typeof routeOf>[1]): number | undefined => {
    const [told] = routeOf(context, event, false).sends.flatMap(([, sent]) =>
      sent.type === "envelope.changed" ? [sent.knownBytes] : [],
    );
    return told;
  };

  it("is its model's test render at first, then the largest render since its start", () => {
    const proven = known(contextWith(), {
      type: "model.proven",
      workerId: "a",
      model: "T2V-A14B",
      profile: "model-offload",
      trial: null,
    });
    expect(proven).toBeGreaterThan(27e9);
    const serving = contextWith();
    const withRender = {
      ...serving,
      workers: { ...serving.workers, a: { ...unknownWorker, deviceUuid: "card", knownBytes: 60e9 } },
    };
    expect(known(withRender, { type: "render.planned", workerId: "a", peakBytes: 70e9 })).toBe(70e9);
    expect(known(withRender, { type: "render.planned", workerId: "a", peakBytes: 40e9 })).toBe(60e9);
  });
});
