import { afterEach, describe, expect, it } from "vitest";
import { classify } from "../../src/recovery/classify.ts";
import { type Incident, openIncident, w0 } from "./recovery-harness.ts";

let running: Incident | undefined;
afterEach(() => running?.actor.stop());
const open = (...args: Parameters<typeof openIncident>): Incident => {
  running = openIncident(...args);
  return running;
};
const fault = classify({ message: "odd" });
const connected = { type: "worker.connected", ...w0 } as const;
const proven = (model: string) => ({ type: "model.proven", ...w0, model }) as const;
const loadFailed = (model: string) => ({ type: "model.loadFailed", ...w0, model }) as const;
const loadsAsked = ({ parent }: Incident): number => parent.ofType("model.load").length;

describe("two probes", () => {
  it("are both asked after a reload: a test render, then the phase that failed", async () => {
    const incident = open("vram_exhaustion", { jobIds: ["j1"] }, { cure: "enable_cpu_offload" });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs().at(-1)).toBe("enable_cpu_offload effective");
    expect(incident.parent.ofType("canary.passed")).toHaveLength(1);
    expect(incident.parent.ofType("rung.ended").at(-1)?.result.reason).toContain("failed phase");
  });
  it("do not stand for each other: a test render that passes while the failed size still fails ends nothing", async () => {
    const incident = open(
      "vram_exhaustion",
      { jobIds: ["j1"], fault: classify({ message: "CUDA out of memory. Tried to allocate 20.00 GiB" }) },
      { cure: "enable_cpu_offload", isSizeBroken: true },
    );
    await incident.until(() => incident.actor.getSnapshot().status === "done");
    expect(incident.rungs()).toContain("enable_cpu_offload ineffective");
    expect(incident.is("returning")).toBe(false);
    expect(incident.parent.ofType("blame.settled").map(({ blame }) => blame)).toEqual(["route", "size"]);
  });
});

describe("a worker that comes back", () => {
  it("is not tested before its own model is proven, whatever else it proves meanwhile", async () => {
    const incident = open(
      "generation_pipeline_error",
      { origin: "workerDeath" },
      { isBroken: false, doesModelLoad: false },
    );
    incident.actor.send(connected);
    incident.actor.send(proven("TI2V-5B"));
    incident.actor.send(loadFailed("TI2V-5B"));
    await incident.clock.advance(10_000);
    expect(incident.is({ verifying: "awaitingWorker" })).toBe(true);
    expect(incident.rungs()).toEqual([]);
    incident.actor.send(proven("T2V-A14B"));
    expect(incident.is({ verifying: "runningCanary" })).toBe(true);
  });
  it("is tested with whatever model it holds again, where the fault was no model's", async () => {
    const incident = open(
      "generation_pipeline_error",
      { origin: "workerDeath", model: null },
      { isBroken: false, doesModelLoad: false },
    );
    incident.actor.send(connected);
    expect(loadsAsked(incident)).toBe(1);
    expect(incident.is({ verifying: "awaitingWorker" })).toBe(true);
    incident.actor.send(proven("TI2V-5B"));
    expect(incident.is({ verifying: "runningCanary" })).toBe(true);
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["restart_pipeline effective"]);
  });
  it("has failed its restart when its model does not load, and is climbed for", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" }, { doesModelLoad: false });
    incident.actor.send(connected);
    incident.actor.send(loadFailed("T2V-A14B"));
    await incident.clock.advance(100);
    expect(incident.rungs()[0]).toBe("restart_pipeline failed");
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
    await incident.until(() => incident.is("standingIn"));
    expect(incident.world.performed).toEqual(["apply_vram_optimization"]);
  });
});

describe("while a stand-in serves", () => {
  const standingIn = async (world: Parameters<typeof openIncident>[2] = {}): Promise<Incident> => {
    const incident = open("network_error", {}, { doesModelLoad: false, ...world });
    await incident.until(() => incident.is("standingIn"));
    return incident;
  };
  it("a worker that connects is asked for its model, and the proof of that one is looked at once", async () => {
    const incident = await standingIn();
    const askedBefore = loadsAsked(incident);
    incident.actor.send(connected);
    expect(loadsAsked(incident)).toBe(askedBefore + 1);
    incident.actor.send(proven("TI2V-5B"));
    expect(incident.is("standingIn")).toBe(true);
    incident.actor.send(proven("T2V-A14B"));
    expect(incident.is("probing")).toBe(true);
  });
  it("a worker that an operator stops stands in once, and is not looked at for that", async () => {
    const incident = await standingIn();
    incident.actor.send({ type: "recovery.reset" });
    incident.actor.send({ type: "worker.stopped", ...w0 });
    expect(incident.is("standingIn")).toBe(true);
    const stoodIn = incident.parent.ofType("incident.stoodIn").length;
    incident.actor.send({ type: "worker.stopped", ...w0 });
    expect(incident.parent.ofType("incident.stoodIn")).toHaveLength(stoodIn);
  });
  it("the time of the next look begins a probe", async () => {
    const incident = await standingIn();
    await incident.clock.advance(29_999);
    expect(incident.is("standingIn")).toBe(true);
    await incident.clock.advance(1);
    expect(incident.is("probing")).toBe(true);
    expect(incident.parent.ofType("incident.stoodIn")).toHaveLength(1);
  });
  it("a crash loop that comes after the worker was back stands in again", async () => {
    const incident = await standingIn();
    const crashLooped = { type: "worker.crashLooped", ...w0 } as const;
    incident.actor.send(crashLooped);
    await incident.clock.advance(1_000);
    const stoodInBefore = incident.parent.ofType("incident.stoodIn").length;
    incident.actor.send(crashLooped);
    expect(incident.parent.ofType("incident.stoodIn")).toHaveLength(stoodInBefore);
    incident.actor.send({ type: "recovery.reset" });
    expect(incident.is("probing")).toBe(true);
    incident.actor.send(connected);
    incident.actor.send(crashLooped);
    expect(incident.is("standingIn")).toBe(true);
    expect(incident.parent.ofType("incident.stoodIn")).toHaveLength(stoodInBefore + 1);
  });
  it("a fault after the cooldown begins the next climb at its first rung", async () => {
    const incident = open("network_error", { limits: { cooldownMs: 5_000 } });
    await incident.until(() => incident.is("standingIn"));
    await incident.clock.advance(5_000);
    expect(incident.is("standingIn")).toBe(true);
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    expect(incident.is("choosing")).toBe(true);
    expect(incident.actor.getSnapshot().context).toMatchObject({
      climbCount: 2,
      joinedFaultCount: 1,
      nextRungIndex: 0,
    });
  });
  it("a fault inside the cooldown is counted, and nothing is climbed", async () => {
    const incident = await standingIn();
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    expect(incident.is("standingIn")).toBe(true);
    expect(incident.actor.getSnapshot().context.joinedFaultCount).toBe(1);
  });
});

describe("a look back that fails", () => {
  it("waits for the next one while climbs remain and the budget does not allow one", async () => {
    const incident = open("network_error", {}, { isBudgetSpent: true });
    await incident.until(() => incident.is("standingIn"));
    await incident.until(() => incident.is("probing"));
    await incident.until(() => !incident.is("probing"));
    expect(incident.is("standingIn")).toBe(true);
    expect(incident.parent.ofType("incident.exhausted")).toEqual([]);
  });
});

describe("an incident that needs a person", () => {
  it("asks for the model of a worker that connects all the same, and looks when that is proven", async () => {
    const incident = open("network_error", { limits: { climbCount: 1 } }, { doesModelLoad: false });
    await incident.until(() => incident.is("exhausted"));
    const askedBefore = loadsAsked(incident);
    incident.actor.send(connected);
    expect(loadsAsked(incident)).toBe(askedBefore + 1);
    incident.actor.send(proven("TI2V-5B"));
    expect(incident.is("exhausted")).toBe(true);
    incident.actor.send(proven("T2V-A14B"));
    expect(incident.is("probing")).toBe(true);
  });
  it("is looked at when an operator asks", async () => {
    const incident = open("network_error", { limits: { climbCount: 1 } });
    await incident.until(() => incident.is("exhausted"));
    incident.actor.send({ type: "recovery.reset" });
    expect(incident.is("probing")).toBe(true);
  });
});

const inCooldown = { cooldownUntilMs: 1_760_000_000_000 + 20_000 } as const;

describe("an incident inside a cooldown", () => {
  it("is looked at when an operator asks", async () => {
    const incident = open("network_error", inCooldown);
    await incident.until(() => incident.is("standingIn"), 5_000);
    incident.actor.send({ type: "recovery.reset" });
    expect(incident.is("probing")).toBe(true);
  });
  it.each(["fault", "health", "manual", "forced"] as const)(
    "costs nobody a stand-in while a test render passes (begun by: %s)",
    async (origin) => {
      const incident = open("vram_exhaustion", { ...inCooldown, origin }, { isBroken: false });
      await incident.until(() => incident.is("returning") || incident.is("resolved"), 5_000);
      expect(incident.parent.ofType("canary.passed")).toHaveLength(1);
      expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
      expect(incident.parent.ofType("incident.stoodIn")).toEqual([]);
      expect(incident.rungs()).toEqual([]);
      expect(incident.clock.nowMs()).toBeLessThan(1_760_000_000_000 + 2_000);
    },
  );
  it("waits for the worker that comes back by itself, and stands in for none that renders then", async () => {
    const incident = open("generation_pipeline_error", { ...inCooldown, origin: "workerDeath" }, { isBroken: false });
    expect(incident.is({ verifying: "awaitingWorker" })).toBe(true);
    incident.actor.send(connected);
    await incident.until(() => incident.is("returning"), 5_000);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it.each(["manual", "forced", "health"] as const)("never interrupts a job (begun by: %s)", async (origin) => {
    const incident = open("vram_exhaustion", { ...inCooldown, origin }, { isBroken: false, doesPhaseEnd: false });
    await incident.clock.advance(19_000);
    expect(incident.is("diagnosing")).toBe(true);
    expect(incident.world.performed).toEqual([]);
  });
});

describe("an operator's order on an incident that is open", () => {
  const look = { type: "recovery.look" } as const;
  it.each<[string, Parameters<typeof openIncident>[1], Parameters<Incident["is"]>[0]]>([
    ["stands in", {}, "standingIn"],
    ["is exhausted", { limits: { climbCount: 1 } }, "exhausted"],
    ["waits out a cooldown", inCooldown, "standingIn"],
  ])("lets one that %s look at once, and is no fault", async (_, input, state) => {
    const incident = open("network_error", input);
    await incident.until(() => incident.is(state));
    const { climbCount } = incident.actor.getSnapshot().context;
    incident.actor.send(look);
    expect(incident.is("probing")).toBe(true);
    expect(incident.actor.getSnapshot().context).toMatchObject({ climbCount, joinedFaultCount: 0 });
  });
  it("changes nothing in one that returns: its proof stands", async () => {
    const incident = open("network_error", {}, { cure: "retry_model_download" });
    await incident.until(() => incident.is("returning"));
    incident.actor.send(look);
    expect(incident.is("returning")).toBe(true);
  });
});

describe("a fault of the job that was let through first", () => {
  /** Back by a look, with one job let through, and then that job fails. */
  const failAfterReturn = async (
    limits: NonNullable<Parameters<typeof openIncident>[1]>["limits"],
  ): Promise<Incident> => {
    const incident = open("network_error", { limits: { cooldownMs: 600_000, ...limits } });
    await incident.until(() => incident.is("standingIn"));
    incident.world.isBroken = false;
    await incident.until(() => incident.is("returning"));
    incident.world.isBroken = true;
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    return incident;
  };
  it("begins the first climb when the worker had come back by itself", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" }, { isBroken: false });
    incident.actor.send(connected);
    await incident.until(() => incident.is("returning"));
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    await incident.until(() => incident.is("choosing"));
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
  });
  it("is stood in for while the cooldown of the last climb lasts", async () => {
    const incident = await failAfterReturn({});
    await incident.until(() => incident.is("standingIn"));
    expect(incident.parent.ofType("canary.failed").length).toBeGreaterThan(1);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
    expect(incident.parent.ofType("incident.exhausted")).toEqual([]);
  });
  it("is climbed for once the cooldown is over", async () => {
    const incident = await failAfterReturn({ cooldownMs: 1_000 });
    await incident.until(() => incident.is("choosing"));
    expect(incident.actor.getSnapshot().context.climbCount).toBe(2);
  });
  it("needs a person when no climb is left", async () => {
    const incident = await failAfterReturn({ climbCount: 1 });
    expect(await incident.until(() => incident.is("exhausted"))).toBe(true);
  });
  it("is answered by the next rung, and nothing is done between", async () => {
    const incident = open("vram_exhaustion", {}, { cure: "clear_gpu_cache" });
    await incident.until(() => incident.is("returning"));
    incident.world.isBroken = true;
    incident.world.cure = null;
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    await incident.until(() => incident.is("standingIn"));
    expect(incident.world.performed).toEqual([
      "clear_gpu_cache",
      "apply_vram_optimization",
      "enable_cpu_offload",
      "reduce_generation_params",
    ]);
  });
});
