import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  examineRung,
  leanerProfile,
  performAction,
  proveEnvelope,
  type RecoverPorts,
  runCanary,
} from "../../../src/app/incidents/recover.ts";
import { prepareLoad } from "../../../src/app/models/prepare-load.ts";
import { planReduction } from "../../../src/app/rendering/plan-render.ts";
import type { Evidence } from "../../../src/core/fault.ts";
import type { RenderRequest } from "../../../src/core/job.ts";
import { gibibyte } from "../../../src/core/units.ts";
import type { ModelId, RecoveryAction } from "../../../src/core/words.ts";
import { createGpuAdapter } from "../../../src/gpu/adapter.ts";
import type { PerformActionInput, RecoveryTarget } from "../../../src/machines/recovery-types.ts";
import { classify, faultOfRecord } from "../../../src/recovery/classify.ts";
import type { SimWorker } from "../../simulation/sim-worker.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";

let world: AppWorld;
let ports: RecoverPorts;
beforeEach(async () => {
  world = await createAppWorld();
  const { clock, probe, links } = world;
  ports = {
    ...world,
    jobs: world.store.jobs,
    gpu: createGpuAdapter({ clock, probe, clientOf: links.clientOf, deviceOf: () => world.deviceUuid }),
    ownModelOf: () => "T2V-A14B",
    canFetchFiles: () => null,
    repairFiles: async () => null,
    planReduction: (id, job, resident) => planReduction(world, id, job.spec, resident),
    prepareLoad: (id, model) => prepareLoad(world, id, model),
    setProfile: world.profiles.set,
    isConditionGone: async () => null,
  };
});
afterEach(() => world.close());

const signal = AbortSignal.any([]);

async function connectHolding(model: ModelId | null): Promise<SimWorker> {
  const { worker } = await world.connect();
  worker.model = model;
  worker.profile = model === null ? null : "model-offload";
  return worker;
}

const targetOf = (change: Partial<PerformActionInput> = {}, evidence: Evidence = {}): PerformActionInput => ({
  incidentId: "incident-1",
  workerId,
  model: null,
  jobIds: [],
  action: "clear_gpu_cache",
  fault: classify({ message: "CUDA out of memory. Tried to allocate 2.00 GiB.", phase: "denoise", ...evidence }),
  ...change,
});

const examine = (target: RecoveryTarget) => settled(world, examineRung(ports, target, signal));
const perform = (change: Partial<PerformActionInput>) => settled(world, performAction(ports, targetOf(change), signal));
const canary = (change: Partial<PerformActionInput> = {}) => settled(world, runCanary(ports, targetOf(change), signal));
const envelope = (change: Partial<PerformActionInput>, evidence: Evidence = {}) =>
  settled(world, proveEnvelope(ports, targetOf(change, evidence), signal));

describe("what is known before a rung", () => {
  it("of a worker without a connection is that, and nothing else is guessed", async () => {
    expect(await examine(targetOf())).toMatchObject({
      isWorkerConnected: false,
      neededBytes: null,
      hasLeanerProfile: null,
      isNeighbourToBlame: false,
    });
  });

  it("without a job says what the cache holds, and nothing of what is needed", async () => {
    const worker = await connectHolding("T2V-A14B");
    worker.cachedBytes = 3 * gibibyte;
    expect(await examine(targetOf())).toMatchObject({
      isWorkerConnected: true,
      reservedUnallocatedBytes: 3 * gibibyte,
      neededBytes: null,
      hasConsentedReduction: null,
      hasLeanerProfile: true,
      canFetchFiles: null,
    });
  });

  it("with a job says whether its owner allows a form that fits", async () => {
    await connectHolding("T2V-A14B");
    const { jobId, spec } = await world.claimNew();
    expect(await examine(targetOf({ jobIds: [jobId] }))).toMatchObject({ hasConsentedReduction: false });
    await world.envelopes.noteMisfit(
      { deviceUuid: world.deviceUuid, profile: "model-offload" },
      world.envelopeOf(spec.request),
      foundClean,
    );
    expect(await examine(targetOf({ jobIds: [jobId] }))).toMatchObject({ hasConsentedReduction: true });
  });

  it("blames a neighbour that holds more than half of the card, and none that holds less", async () => {
    await connectHolding("T2V-A14B");
    world.setNeighbour(30 * gibibyte);
    expect(await examine(targetOf())).toMatchObject({ isNeighbourToBlame: false });
    world.setNeighbour(50 * gibibyte);
    expect(await examine(targetOf())).toMatchObject({ isNeighbourToBlame: true });
  });

  it("asks whether the files of the faulty model, and else of the worker's own, could be fetched", async () => {
    await connectHolding("T2V-A14B");
    ports = { ...ports, canFetchFiles: (model) => model === "TI2V-5B" };
    expect(await examine(targetOf({ model: "TI2V-5B" }))).toMatchObject({ canFetchFiles: true });
    expect(await examine(targetOf())).toMatchObject({ canFetchFiles: false });
  });

  it("the next leaner memory mode is one that the worker offers; after the leanest there is none", async () => {
    await world.connect();
    const client = world.links.connected(workerId);
    const some = { ...client, identity: { ...client.identity, profiles: ["full", "group-offload"] as const } };
    expect([leanerProfile(client, "full"), leanerProfile(some, "full"), leanerProfile(client, "fp8")]).toEqual([
      "model-offload",
      "group-offload",
      null,
    ]);
  });
});

describe("carrying a rung out", () => {
  it("clearing the cache shows what was free before and after", async () => {
    const worker = await connectHolding("T2V-A14B");
    worker.cachedBytes = 10 * gibibyte;
    const { evidence, error } = await perform({ action: "clear_gpu_cache" });
    const freed = (evidence?.after.deviceFreeBytes ?? 0) - (evidence?.before.deviceFreeBytes ?? 0);
    expect([error, freed]).toEqual([null, 10 * gibibyte]);
  });

  it("offloading loads the model in the next leaner mode, which the next load keeps", async () => {
    const worker = await connectHolding("T2V-A14B");
    const { error } = await perform({ action: "enable_cpu_offload" });
    expect([error, worker.profile, world.profiles.of(workerId)]).toEqual([null, "tiling", "tiling"]);
  });

  it("offloading where no model is on the card loads the one that failed", async () => {
    const worker = await connectHolding(null);
    await perform({ action: "enable_cpu_offload", model: "TI2V-5B" });
    expect(worker.model).toBe("TI2V-5B");
  });

  it("offloading from the leanest mode is an error with its reason", async () => {
    const worker = await connectHolding("T2V-A14B");
    worker.profile = "fp8";
    expect(await perform({ action: "enable_cpu_offload" })).toMatchObject({
      evidence: null,
      error: "the leanest load profile is in use already",
    });
  });

  it("reducing names what the job would get instead, and touches no card", async () => {
    await connectHolding("T2V-A14B");
    const { jobId, spec } = await world.claimNew();
    await world.envelopes.noteMisfit(
      { deviceUuid: world.deviceUuid, profile: "model-offload" },
      world.envelopeOf(spec.request),
      foundClean,
    );
    expect(await perform({ action: "reduce_generation_params", jobIds: [jobId] })).toMatchObject({
      error: null,
      evidence: { applied: ["frames 65 instead of 81"] },
    });
  });

  it("reducing without a form that fits is an error", async () => {
    await connectHolding("T2V-A14B");
    expect(await perform({ action: "reduce_generation_params" })).toMatchObject({
      error: "nothing that the job allows to change would fit",
    });
  });

  it("repairing files says whether they match now", async () => {
    await connectHolding("T2V-A14B");
    const asked: ModelId[] = [];
    ports = {
      ...ports,
      repairFiles: async (model) => {
        asked.push(model);
        return false;
      },
    };
    expect(await perform({ action: "retry_model_download" })).toMatchObject({ filesMatch: false, error: null });
    expect(asked).toEqual(["T2V-A14B"]);
  });

  it("looking at the host says whether the condition is gone", async () => {
    await connectHolding("T2V-A14B");
    ports = { ...ports, isConditionGone: async () => true };
    expect(await perform({ action: "system_health_check" })).toMatchObject({ isConditionGone: true });
  });

  it.each<RecoveryAction>(["restart_pipeline", "fallback_to_mock"])("%s is somebody else's to do", async (action) => {
    await connectHolding("T2V-A14B");
    expect(await perform({ action })).toMatchObject({ error: `${action} is not done here` });
  });

  it("on a worker that is gone is an error, never an outcome", async () => {
    expect(await perform({})).toMatchObject({ evidence: null, error: "the worker is not connected" });
  });
});

describe("the test render", () => {
  it("passes on the model that the worker holds", async () => {
    await connectHolding("TI2V-5B");
    expect(await canary()).toMatchObject({ verdict: "passed", reason: expect.stringContaining("TI2V-5B") });
  });

  it("of a fault of a model's own is that model's: it is loaded first", async () => {
    const worker = await connectHolding("T2V-A14B");
    const fault = faultOfRecord({ ...targetOf().fault, attribution: "model" });
    expect(await canary({ model: "TI2V-5B", fault })).toMatchObject({ verdict: "passed" });
    expect(worker.model).toBe("TI2V-5B");
  });

  it("that cannot even load the model has failed, with the reason", async () => {
    const worker = await connectHolding(null);
    worker.bad.loads = 1;
    expect(await canary({ model: "T2V-A14B" })).toEqual({
      verdict: "failed",
      reason: "CUDA out of memory. Tried to allocate 2.00 GiB.",
    });
  });

  it("that did not finish has failed", async () => {
    const worker = await connectHolding("T2V-A14B");
    worker.bad.probes = 1;
    expect(await canary()).toEqual({ verdict: "failed", reason: "the test render did not finish" });
  });

  it("without a worker has failed", async () => {
    expect(await canary()).toEqual({ verdict: "failed", reason: "the worker is not connected" });
  });
});

describe("the failed phase again", () => {
  const place = () => ({ deviceUuid: world.deviceUuid, profile: "model-offload" }) as const;

  it("is unknown without a job, never passed", async () => {
    await connectHolding("T2V-A14B");
    expect(await envelope({})).toMatchObject({ verdict: "unknown" });
  });

  it("that ran shows that the size fits, for every later job", async () => {
    await connectHolding("T2V-A14B");
    const { jobId, spec } = await world.claimNew();
    await world.envelopes.noteMisfit(place(), world.envelopeOf(spec.request), foundClean);
    expect(await envelope({ jobIds: [jobId] })).toMatchObject({
      verdict: "passed",
      reason: "denoise of 832x480 with 81 frames ran again",
    });
    expect(world.envelopes.fits(place(), world.envelopeOf(spec.request), 80 * gibibyte)).toBe(true);
  });

  const tooLarge = { width: 1920, height: 1080, frames: 257 };
  /** Of a size that the card never carries. */
  async function attemptOf(neighbourBytesAtBegin: number) {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew({ size: tooLarge });
    const { model } = world.envelopeOf(lease.spec.request);
    world.setNeighbour(neighbourBytesAtBegin);
    const { memory } = await settled(world, world.links.connected(workerId).stats());
    world.attempts.note(lease.jobId, place(), model, memory);
    return lease;
  }
  const fits = (request: RenderRequest) => world.envelopes.fits(place(), world.envelopeOf(request), 1e15);

  it("that ran out of memory once more on a card of its own is kept against the size", async () => {
    const { jobId, spec } = await attemptOf(0);
    expect(await envelope({ jobIds: [jobId] })).toMatchObject({ verdict: "failed" });
    expect(fits(spec.request)).toBe(false);
  });

  it.each([
    ["an attempt that began beside a neighbour", 20 * gibibyte, 0],
    ["a proof that began beside a neighbour", 0, 20 * gibibyte],
  ])("says nothing about the size after %s", async (_, atBegin, atProof) => {
    const { jobId, spec } = await attemptOf(atBegin);
    world.setNeighbour(atProof);
    expect(await envelope({ jobIds: [jobId] })).toMatchObject({ verdict: "failed" });
    expect(fits(spec.request)).toBe(true);
  });

  it("says nothing about the size where nobody measured how the attempt began", async () => {
    await connectHolding("T2V-A14B");
    const { jobId, spec } = await world.claimNew({ size: tooLarge });
    expect(await envelope({ jobIds: [jobId] })).toMatchObject({ verdict: "failed" });
    expect(fits(spec.request)).toBe(true);
  });

  it("after a reduction is the reduced form's", async () => {
    await connectHolding("T2V-A14B");
    const { jobId, spec } = await world.claimNew();
    await world.envelopes.noteMisfit(place(), world.envelopeOf(spec.request), foundClean);
    expect(await envelope({ jobIds: [jobId], action: "reduce_generation_params" })).toMatchObject({
      verdict: "passed",
      reason: "denoise of 832x480 with 65 frames ran again",
    });
  });

  it("of a fault at a load is the denoising", async () => {
    await connectHolding("T2V-A14B");
    const { jobId } = await world.claimNew();
    expect(await envelope({ jobIds: [jobId] }, { phase: "load" })).toMatchObject({
      reason: expect.stringMatching(/^denoise/),
    });
  });
});
