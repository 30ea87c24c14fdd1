import { afterEach, describe, expect, it } from "vitest";
import { failureTypes } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { unknownFacts } from "../../src/recovery/preconditions.ts";
import { type Incident, openIncident, w0 } from "./recovery-harness.ts";

let running: Incident | undefined;
afterEach(() => running?.actor.stop());
const open = (...args: Parameters<typeof openIncident>): Incident => {
  running = openIncident(...args);
  return running;
};
const jobEnded = { type: "job.ended", ...w0, isSuccessful: true } as const;
const fault = classify({ message: "odd" });

describe("a climb", () => {
  it.each(failureTypes)(
    "tries every rung of %s in order and ends at the stand-in when nothing helps",
    async (failureType) => {
      const incident = open(failureType);
      await incident.until(
        () => incident.is("standingIn") && incident.rungs().length >= defaultLadders[failureType].length,
      );
      expect(incident.parent.ofType("rung.ended").map(({ result }) => result.action)).toEqual(
        defaultLadders[failureType],
      );
      expect(
        incident
          .rungs()
          .slice(0, -1)
          .every((rung) => !rung.endsWith(" effective")),
      ).toBe(true);
      expect(incident.rungs().at(-1)).toBe("fallback_to_mock effective");
      expect(incident.parent.ofType("incident.stoodIn")).toHaveLength(1);
    },
  );
  it("stops at the first rung after which the proof passes, and tries no later one", async () => {
    const incident = open("generation_pipeline_error", {}, { cure: "restart_pipeline" });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache skipped", "restart_pipeline effective"]);
    expect(incident.world.performed).toEqual([]);
  });
  it("runs the failed job's phase again instead of a test render when a job failed", async () => {
    const incident = open("vram_exhaustion", { jobIds: ["j1"] }, { cure: "apply_vram_optimization" });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache ineffective", "apply_vram_optimization effective"]);
    expect(incident.parent.ofType("canary.passed")).toEqual([]);
  });
  it("goes on when an action hangs, fails or cannot be proven", async () => {
    const incident = open(
      "vram_exhaustion",
      {},
      { hanging: ["clear_gpu_cache"], failing: ["apply_vram_optimization"], cure: "enable_cpu_offload" },
    );
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual([
      "clear_gpu_cache failed",
      "apply_vram_optimization failed",
      "enable_cpu_offload effective",
    ]);
  });
  it("calls a rung unknown, never effective, when the proof gives no answer", async () => {
    const incident = open("network_error", {}, { cure: "retry_model_download", canProbe: false });
    await incident.until(() => incident.is("standingIn"));
    expect(incident.is("returning")).toBe(false);
    const restart = open("generation_pipeline_error", {}, { cure: "restart_pipeline", canProbe: false });
    await restart.until(() => restart.is("standingIn"));
    expect(restart.rungs()).toContain("restart_pipeline unknown");
  });
  it("skips what cannot help, and says why", async () => {
    const incident = open(
      "generation_pipeline_error",
      { fault: classify({ exitCode: 75 }) },
      { cure: "restart_pipeline" },
    );
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache skipped", "restart_pipeline effective"]);
    expect(incident.parent.ofType("rung.ended")[0]?.result.reason).toContain("poisoned");
  });
  it("does not climb over a process that ends by itself after its report", async () => {
    const lost = {
      exceptionType: "RuntimeError",
      message: "CUDA error: uncorrectable ECC error encountered",
      deviceUsable: false,
    } as const;
    const workerFailure = { phase: "denoise", step: 3, causes: [], memory: null, ...lost } as const;
    const incident = open(
      "system_resource_error",
      { fault: classify({ workerFailure }) },
      { cure: null, isBroken: false },
    );
    await incident.clock.advance(10_000);
    expect(incident.is({ verifying: "awaitingWorker" })).toBe(true);
    expect(incident.world.performed).toEqual([]);
  });
  it("skips a heavy rung when the budget is spent, and goes on with lighter ones", async () => {
    const incident = open("generation_pipeline_error", {}, { isBudgetSpent: true, cure: "restart_pipeline" });
    await incident.until(() => incident.is("standingIn"));
    expect(incident.rungs().slice(0, 3)).toEqual([
      "clear_gpu_cache skipped",
      "restart_pipeline skipped",
      "apply_vram_optimization ineffective",
    ]);
    expect(incident.world.heavyGrantCount).toBe(0);
  });
  it("waits for a running phase, but not for ever", async () => {
    const incident = open("network_error", {}, { doesPhaseEnd: false });
    await incident.clock.advance(29_999);
    expect(incident.is("diagnosing")).toBe(true);
    await incident.clock.advance(10);
    expect(incident.world.performed).toEqual(["retry_model_download"]);
  });
});

describe("the return of the main model", () => {
  it("is gradual: a test render, one job, then all", async () => {
    const incident = open("generation_pipeline_error", {}, { cure: "restart_pipeline" });
    await incident.until(() => incident.is("returning"));
    expect(incident.parent.ofType("pipeline.admit").map(({ admission }) => admission)).toEqual(["one"]);
    incident.actor.send({ type: "job.begun", ...w0, jobId: "j1" });
    await incident.clock.advance(120_000);
    expect(incident.is("returning")).toBe(true);
    incident.actor.send(jobEnded);
    expect(incident.actor.getSnapshot()).toMatchObject({
      status: "done",
      output: { ending: "resolved", climbCount: 1 },
    });
    expect(incident.parent.ofType("pipeline.admit").map(({ admission }) => admission)).toEqual(["one", "all"]);
    expect(incident.parent.ofType("breaker.release")[0]?.isResolved).toBe(true);
  });
  it("does not wait for a job that nobody submits", async () => {
    const incident = open("generation_pipeline_error", {}, { cure: "restart_pipeline" });
    await incident.until(() => incident.is("returning"));
    await incident.clock.advance(60_000);
    expect(incident.actor.getSnapshot().status).toBe("done");
  });
  it("goes on up the same ladder when the admitted job brings a fault", async () => {
    const incident = open("vram_exhaustion", {}, { cure: "clear_gpu_cache" });
    await incident.until(() => incident.is("returning"));
    incident.world.isBroken = true;
    incident.world.cure = "apply_vram_optimization";
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    expect(incident.parent.ofType("pipeline.suspend")).toHaveLength(2);
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache effective", "apply_vram_optimization effective"]);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
  });
  it("admits another job when the first one failed by its own fault", async () => {
    const incident = open("vram_exhaustion", {}, { cure: "clear_gpu_cache" });
    await incident.until(() => incident.is("returning"));
    incident.actor.send({ ...jobEnded, isSuccessful: false });
    expect(incident.is("returning")).toBe(true);
    expect(incident.parent.ofType("pipeline.admit")).toHaveLength(2);
  });
});

describe("a worker's death", () => {
  it("waits for the worker to come back by itself and proves it, without climbing", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" }, { isBroken: false });
    expect(incident.is({ verifying: "awaitingWorker" })).toBe(true);
    await incident.clock.advance(5_000);
    incident.actor.send({ type: "worker.connected", ...w0 });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["restart_pipeline effective"]);
    expect(incident.parent.ofType("budget.request")).toEqual([]);
    incident.actor.send(jobEnded);
    expect(incident.actor.getSnapshot().output).toMatchObject({ ending: "resolved", climbCount: 0 });
  });
  it("climbs when the worker is not back in time", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" });
    await incident.clock.advance(120_001);
    expect(incident.rungs()[0]).toBe("restart_pipeline failed");
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
  });
  it("stands in at once when the worker crashes in a loop, and asks for it again at the next look", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" });
    incident.actor.send({ type: "worker.crashLooped", ...w0 });
    expect(incident.is("standingIn")).toBe(true);
    await incident.clock.advance(1_000);
    expect(incident.rungs()).toEqual(["restart_pipeline failed", "fallback_to_mock effective"]);
    incident.world.isBroken = false;
    expect(await incident.until(() => incident.actor.getSnapshot().status === "done", 300_000)).toBe(true);
    expect(incident.parent.ofType("worker.restart").map(({ isBudgeted }) => isBudgeted)).toEqual([false]);
  });
  it("never restarts a worker that an operator stopped", async () => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" }, { canProbe: false });
    incident.actor.send({ type: "worker.stopped", ...w0 });
    await incident.clock.advance(3_600_000);
    expect(incident.parent.ofType("worker.restart")).toEqual([]);
    expect(incident.hasTag("mock")).toBe(true);
  });
  it("ends the rung in hand as failed when the worker dies for good under it", async () => {
    const incident = open("vram_exhaustion", {}, { hanging: ["clear_gpu_cache"] });
    await incident.until(() => incident.is("acting"));
    incident.actor.send({ type: "worker.crashLooped", ...w0 });
    await incident.clock.advance(1_000);
    expect(incident.rungs()).toEqual(["clear_gpu_cache failed", "fallback_to_mock effective"]);
    expect(incident.parent.ofType("climb.ended")).toMatchObject([{ outcome: "stoodIn" }]);
  });
});

describe("a health incident", () => {
  it("never interrupts a running job: it waits until the pipeline is suspended", async () => {
    const incident = open("vram_exhaustion", { origin: "health" }, { doesPhaseEnd: false });
    await incident.clock.advance(3_600_000);
    expect(incident.is("diagnosing")).toBe(true);
    expect(incident.parent.ofType("pipeline.suspend").every(({ isHealthOnly }) => isHealthOnly)).toBe(true);
    incident.actor.send({ type: "pipeline.suspended", ...w0 });
    await incident.clock.advance(1);
    expect(incident.world.performed).toEqual(["clear_gpu_cache"]);
  });
  it("waits no longer once a job has failed in it", async () => {
    const incident = open("vram_exhaustion", { origin: "health" }, { doesPhaseEnd: false });
    incident.actor.send({ type: "fault.joined", fault, jobId: null, isDeath: false });
    await incident.clock.advance(30_010);
    expect(incident.world.performed).toEqual(["clear_gpu_cache"]);
  });
  it("never switches to the stand-in while a test render passes", async () => {
    const incident = open(
      "system_resource_error",
      { origin: "health" },
      { isBroken: false, failing: ["system_health_check", "clear_gpu_cache"] },
    );
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["system_health_check failed", "clear_gpu_cache skipped"]);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it("does switch when the test render fails too", async () => {
    const incident = open("system_resource_error", { origin: "health" });
    await incident.until(() => incident.is("standingIn"));
    expect(incident.rungs().slice(0, 2)).toEqual(["system_health_check ineffective", "clear_gpu_cache skipped"]);
    expect(incident.parent.ofType("canary.failed").length).toBeGreaterThan(0);
  });
});

describe("a manual trigger", () => {
  it("repairs nothing when the test render passes", async () => {
    const incident = open("vram_exhaustion", { origin: "manual" }, { isBroken: false });
    await incident.clock.advance(2_000);
    expect(incident.actor.getSnapshot().output).toMatchObject({ ending: "resolved", climbCount: 0 });
    expect(incident.rungs()).toEqual([]);
  });
  it("never interrupts a running job: nothing is asked of the card until it has ended", async () => {
    const incident = open("vram_exhaustion", { origin: "manual" }, { isBroken: false, doesPhaseEnd: false });
    await incident.clock.advance(3_600_000);
    expect(incident.is("diagnosing")).toBe(true);
    expect(incident.parent.ofType("canary.passed")).toEqual([]);
    incident.actor.send({ type: "pipeline.suspended", ...w0 });
    await incident.clock.advance(2_000);
    expect(incident.actor.getSnapshot().output).toMatchObject({ ending: "resolved", climbCount: 0 });
    expect(incident.world.performed).toEqual([]);
  });
  it("climbs when it fails", async () => {
    const incident = open("vram_exhaustion", { origin: "manual" }, { cure: "clear_gpu_cache" });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache effective"]);
  });
});

describe("an incident that is stopped", () => {
  it("gives the pipeline back and leaves the judgement to the breaker", async () => {
    const incident = open("vram_exhaustion", {}, { hanging: ["clear_gpu_cache"] });
    await incident.until(() => incident.is("acting"));
    incident.actor.send({ type: "recovery.stop" });
    expect(incident.actor.getSnapshot()).toMatchObject({ status: "done", output: { ending: "stopped" } });
    expect(incident.parent.ofType("breaker.release")[0]?.isResolved).toBe(false);
    expect(incident.parent.ofType("pipeline.resume")).toHaveLength(1);
    expect(incident.clock.pendingCount).toBe(0);
  });
});

describe("rungs that know their worker is away", () => {
  it("are skipped until the restart", async () => {
    const incident = open(
      "generation_pipeline_error",
      {},
      { facts: { ...unknownFacts, isWorkerConnected: false }, cure: "restart_pipeline" },
    );
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual(["clear_gpu_cache skipped", "restart_pipeline effective"]);
  });
});
