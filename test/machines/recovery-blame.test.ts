/** Who is to blame for a job's failure: what the experiment at the beginning of an incident, and at its end, makes of it. */
import { afterEach, describe, expect, it } from "vitest";
import { classify } from "../../src/recovery/classify.ts";
import { signatureOf } from "../../src/recovery/signature.ts";
import { type Incident, openIncident, w0 } from "./recovery-harness.ts";

let running: Incident | undefined;
afterEach(() => running?.actor.stop());
const open = (...args: Parameters<typeof openIncident>): Incident => {
  running = openIncident(...args);
  return running;
};
const tensors = (from: number) =>
  classify({
    workerFailure: {
      exceptionType: "RuntimeError",
      message: `The size of tensor a (${from}) must match the size of tensor b (80)`,
      phase: "denoise",
      step: 3,
      causes: [],
      memory: null,
      deviceUsable: true,
    },
  });
const ofOneJob = { fault: tensors(81), jobIds: ["j1"] } as const;
const healthy = { isBroken: false } as const;
const isDone = ({ actor }: Incident): boolean => actor.getSnapshot().status === "done";
const blamesOf = ({ parent }: Incident): readonly string[] => parent.ofType("blame.settled").map(({ blame }) => blame);
const jobFailed = (jobId: string, from = 81) =>
  ({ type: "fault.joined", fault: tensors(from), jobId, isDeath: false }) as const;

describe("a job's failure that nobody can tell from its worker's", () => {
  it("costs nobody else more than a test render: no rung, nothing counted, all jobs admitted", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, healthy);
    expect(await incident.until(() => isDone(incident), 10_000)).toBe(true);
    expect(incident.actor.getSnapshot().output).toMatchObject({ ending: "resolved", climbCount: 0 });
    expect(incident.parent.ofType("blame.settled")).toMatchObject([
      { blame: "job", jobIds: ["j1"], jobCount: 1, signature: signatureOf(tensors(81)), isClimbInVain: false },
    ]);
    expect(incident.rungs()).toEqual([]);
    for (const type of ["breaker.hold", "pipeline.standIn", "pipeline.admit", "cooldown.started"] as const)
      expect(incident.parent.ofType(type), type).toEqual([]);
    expect(incident.parent.ofType("pipeline.resume")).toHaveLength(1);
  });
  it("waits for the job that is in hand meanwhile", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, { ...healthy, doesPhaseEnd: false });
    await incident.clock.advance(3_600_000);
    expect(incident.is("diagnosing")).toBe(true);
    incident.actor.send({ type: "pipeline.suspended", ...w0 });
    expect(await incident.until(() => isDone(incident), 10_000)).toBe(true);
  });
  it.each([
    ["the test render fails too", { isBroken: true }],
    ["the test render gives no answer", { ...healthy, canProbe: false }],
    ["another job failed alike of late", { ...healthy, jobsAlike: ["j1", "j2"] }],
  ])("is the worker's when %s, and the ladder is climbed", async (_, world) => {
    const incident = open("generation_pipeline_error", ofOneJob, { cure: "restart_pipeline", ...world });
    await incident.until(() => incident.rungs().length > 0);
    expect(blamesOf(incident)).toEqual(["route"]);
    expect(incident.parent.ofType("breaker.hold")).not.toEqual([]);
    expect(incident.actor.getSnapshot().context.climbCount).toBe(1);
  });
  it("is the worker's when another job fails alike during the experiment", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, healthy);
    await incident.until(() => incident.is("experimenting"));
    incident.actor.send(jobFailed("j2", 41));
    await incident.until(() => blamesOf(incident).length > 0);
    expect(incident.parent.ofType("blame.settled")).toMatchObject([{ blame: "route", jobIds: ["j1", "j2"] }]);
  });
  it("is not made the worker's by a job that fails by something else", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, healthy);
    await incident.until(() => incident.is("experimenting"));
    incident.actor.send({ ...jobFailed("j2"), fault: classify({ message: "odd" }) });
    await incident.until(() => isDone(incident));
    expect(blamesOf(incident)).toEqual(["job"]);
  });
  it("is its size's when memory was wanting and the failed phase fails again", async () => {
    const fault = classify({ message: "CUDA out of memory. Tried to allocate 20.00 GiB" });
    const incident = open("vram_exhaustion", { fault, jobIds: ["j1"] }, { ...healthy, isSizeBroken: true });
    await incident.until(() => isDone(incident));
    expect(blamesOf(incident)).toEqual(["size"]);
    expect(incident.rungs()).toEqual([]);
  });
  it("is not asked about where the evidence decides alone", async () => {
    const fault = classify({ errorNumber: "ENOSPC" });
    const incident = open("system_resource_error", { fault, jobIds: ["j1"] }, healthy);
    await incident.until(() => incident.rungs().length > 0);
    expect(blamesOf(incident)).toEqual([]);
  });
});

describe("a ladder for jobs that fail alike", () => {
  const twoJobs = { jobsAlike: ["j1", "j2"] } as const;
  it("ends with the jobs to blame when nothing changes their failure and a test render passes", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, { ...healthy, ...twoJobs, isSizeBroken: true });
    expect(await incident.until(() => isDone(incident))).toBe(true);
    expect(incident.rungs()).toEqual([
      "clear_gpu_cache skipped",
      "restart_pipeline ineffective",
      "apply_vram_optimization ineffective",
    ]);
    expect(incident.parent.ofType("blame.settled").at(-1)).toMatchObject({ blame: "job", isClimbInVain: true });
    expect(incident.parent.ofType("climb.ended")).toMatchObject([{ outcome: "inVain" }]);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it("is not climbed a second time for them", async () => {
    const again = { ...ofOneJob, isClimbInVain: true };
    const incident = open("generation_pipeline_error", again, { ...healthy, ...twoJobs });
    await incident.until(() => isDone(incident));
    expect(blamesOf(incident)).toEqual(["job"]);
    expect(incident.rungs()).toEqual([]);
  });
  it("stands in when the test render before the last rung fails", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, { ...healthy, ...twoJobs, isSizeBroken: true });
    await incident.until(() => incident.is("acting"));
    incident.world.isBroken = true;
    await incident.until(() => incident.is("standingIn"));
    expect(incident.rungs()).not.toContain("restart_pipeline effective");
    expect(incident.parent.ofType("canary.failed")).toHaveLength(1);
  });
  it("proves each rung by the failed phase, and a test render alone proves none", async () => {
    const incident = open("generation_pipeline_error", ofOneJob, {
      ...twoJobs,
      isBroken: true,
      cure: "restart_pipeline",
    });
    await incident.until(() => incident.is("returning"));
    expect(incident.parent.ofType("rung.ended").at(-1)?.result).toMatchObject({
      action: "restart_pipeline",
      outcome: "effective",
      reason: expect.stringContaining("failed phase"),
    });
  });
});

describe("what cannot be run again as a phase", () => {
  const death = { origin: "workerDeath", fault: classify({ exitSignal: "SIGSEGV" }), jobIds: ["j1"] } as const;
  it("waits for the job's next attempt: the restart after a death under a job is no success yet", async () => {
    const incident = open("generation_pipeline_error", death, healthy);
    incident.actor.send({ type: "worker.connected", ...w0 });
    await incident.until(() => incident.is("returning"));
    expect(incident.parent.ofType("rung.ended")).toMatchObject([
      {
        result: { action: "restart_pipeline", outcome: "unknown", reason: expect.stringContaining("next attempt") },
        ailment: { jobIds: ["j1"], signature: signatureOf(death.fault), phase: null },
      },
    ]);
  });
  it("waits for it too where the file was found wrong", async () => {
    const fault = classify({ outputProblem: "its picture never changes" });
    const world = { isBroken: true, cure: "restart_pipeline" } as const;
    const incident = open("generation_pipeline_error", { fault, jobIds: ["j1"] }, world);
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs().at(-1)).toBe("restart_pipeline unknown");
  });
});

describe("the one job that is let through", () => {
  const returned = async (world: Parameters<typeof openIncident>[2] = {}): Promise<Incident> => {
    const incident = open("generation_pipeline_error", { origin: "workerDeath" }, { ...healthy, ...world });
    incident.actor.send({ type: "worker.connected", ...w0 });
    await incident.until(() => incident.is("returning"));
    return incident;
  };
  it("is asked about when it fails: with a test render that passes the worker goes on, and all are let through", async () => {
    const incident = await returned();
    incident.actor.send(jobFailed("j7"));
    expect(await incident.until(() => isDone(incident), 10_000)).toBe(true);
    expect(incident.parent.ofType("blame.settled")).toMatchObject([{ blame: "job", jobIds: ["j7"] }]);
    expect(incident.parent.ofType("pipeline.admit").map(({ admission }) => admission)).toEqual(["one", "all"]);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it("goes on up the ladder when the worker is to blame", async () => {
    const incident = await returned({ jobsAlike: ["j7", "j8"] });
    incident.actor.send(jobFailed("j7"));
    await incident.until(() => incident.actor.getSnapshot().context.climbCount === 1);
    expect(blamesOf(incident)).toEqual(["route"]);
  });
});

describe("an incident that was at work when the service ended", () => {
  const resume = { kind: "atWork", untilMs: 0, climbCount: 1, lookBackCount: 0 } as const;
  it("waits for its worker and proves it, and invents no rung", async () => {
    const incident = open("generation_pipeline_error", { ...ofOneJob, resume }, healthy);
    incident.actor.send({ type: "worker.connected", ...w0 });
    await incident.until(() => incident.is("returning"));
    expect(incident.rungs()).toEqual([]);
    expect(incident.parent.ofType("rung.started")).toEqual([]);
    expect(incident.parent.ofType("pipeline.standIn")).toEqual([]);
  });
  it("climbs where the proof fails", async () => {
    const incident = open("generation_pipeline_error", { ...ofOneJob, resume });
    incident.actor.send({ type: "worker.connected", ...w0 });
    await incident.until(() => incident.actor.getSnapshot().context.climbCount === 2);
    expect(incident.parent.ofType("canary.failed")).toHaveLength(1);
  });
  it("goes on serving stand-ins where they were served, as no step of its own", async () => {
    const standingIn = { ...resume, kind: "standingIn", untilMs: 1_760_000_000_000 + 30_000 } as const;
    const incident = open("generation_pipeline_error", { ...ofOneJob, resume: standingIn });
    await incident.clock.advance(10_000);
    expect(incident.is("standingIn")).toBe(true);
    expect(incident.rungs()).toEqual([]);
  });
});
