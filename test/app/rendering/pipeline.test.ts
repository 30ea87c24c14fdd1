import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createActor, toPromise } from "xstate";
import { type PipelineNeeds, pipelineActors } from "../../../src/app/rendering/pipeline-actors.ts";
import { waitingOf } from "../../../src/app/rendering/plan-render.ts";
import { messageOfJob } from "../../../src/contract/job-truth.ts";
import { isoOf } from "../../../src/core/clock.ts";
import type { Evidence } from "../../../src/core/fault.ts";
import type { Lease } from "../../../src/core/job.ts";
import { gibibyte, minuteMs, secondMs } from "../../../src/core/units.ts";
import type { ModelId } from "../../../src/core/words.ts";
import { settlementOfPreparation } from "../../../src/machines/pipeline-setup.ts";
import type { Claim, Preparation, Settlement } from "../../../src/machines/pipeline-types.ts";
import { classify, faultOfRecord } from "../../../src/recovery/classify.ts";
import { misfitLifeMs } from "../../../src/recovery/envelopes.ts";
import type { SimWorker } from "../../simulation/sim-worker.ts";
import type { JobOptions } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";
import { listenTo } from "../listen-to.ts";

let world: AppWorld;
let actors: ReturnType<typeof pipelineActors>;
beforeEach(async () => {
  world = await createAppWorld();
  actors = pipelineActors(world);
});
afterEach(() => world.close());

const claim = (needs: PipelineNeeds = world): Promise<Claim> =>
  toPromise(createActor(pipelineActors(needs).claimJob, { input: { workerId, residentModel: null } }).start());

describe("claiming", () => {
  it("takes the job that waits, for this worker and under a fence", async () => {
    const jobId = await world.submit();
    expect(await claim()).toMatchObject({ lease: { jobId, fence: 1 }, dueAtMs: null });
    expect(await world.stateOf(jobId)).toBe("running");
  });

  it("takes nothing while the disk could not keep the result", async () => {
    const jobId = await world.submit();
    world.troubles.begin("disk", minuteMs);
    await world.diskWatch.look();
    expect(await claim()).toEqual({ lease: null, dueAtMs: null, wantsFreshProcess: false });
    expect(await world.stateOf(jobId)).toBe("queued");
  });

  it("leaves a model alone that was set aside for this worker, and takes the others", async () => {
    await world.submit({ model: "T2V-A14B" });
    const other = await world.submit({ model: "TI2V-5B" });
    const unavailableModels = { isUnavailable: (_: string, model: ModelId) => model === "T2V-A14B" };
    expect(await claim({ ...world, unavailableModels })).toMatchObject({ lease: { jobId: other } });
  });

  it("says when the next job may be claimed, so that nobody has to look again and again", async () => {
    const lease = await world.claimNew();
    const runAtMs = world.clock.nowMs() + minuteMs;
    await world.store.jobs.release(lease, "not now", runAtMs);
    expect(await claim()).toEqual({ lease: null, dueAtMs: runAtMs, wantsFreshProcess: false });
  });
});

async function prepare(lease: Lease): Promise<Preparation> {
  return settled(world, toPromise(createActor(actors.prepareJob, { input: { workerId, lease } }).start()));
}

async function connectHolding(model: ModelId): Promise<SimWorker> {
  const { worker } = await world.connect();
  worker.model = model;
  worker.profile = "model-offload";
  return worker;
}

describe("preparing", () => {
  it("a worker that holds the model may begin at once", async () => {
    await connectHolding("T2V-A14B");
    const prepared = await prepare(await world.claimNew());
    expect(prepared).toMatchObject({ kind: "ready", lease: { plan: null } });
  });

  it("a worker that holds another model must load first", async () => {
    await connectHolding("TI2V-5B");
    expect(await prepare(await world.claimNew())).toEqual({
      kind: "load",
      model: "T2V-A14B",
      profile: "model-offload",
    });
  });

  it("after renders that ran out of memory the next memory mode is loaded", async () => {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    await world.envelopes.noteMisfit(
      { deviceUuid: world.deviceUuid, profile: "model-offload" },
      world.envelopeOf(lease.spec.request),
      foundClean,
    );
    expect(await prepare(lease)).toMatchObject({ kind: "load" });
    expect(world.profiles.of(workerId)).not.toBe("model-offload");
  });

  it("what was reduced with the job's consent is durable before the render begins", async () => {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    for (const profile of ["model-offload", "tiling", "group-offload", "fp8"] as const)
      await world.envelopes.noteMisfit(
        { deviceUuid: world.deviceUuid, profile },
        world.envelopeOf(lease.spec.request),
        foundClean,
      );
    const prepared = await prepare(lease);
    expect(prepared).toMatchObject({ kind: "ready", lease: { plan: { request: { frames: 65 } } } });
    expect(await world.rows("job.changed")).toMatchObject([{ jobId: lease.jobId }]);
  });

  const tooLarge = { width: 1920, height: 1080, frames: 257 };
  const nothingMayChange = (lease: Lease): Lease => ({
    ...lease,
    spec: { ...lease.spec, consent: { ...lease.spec.consent, allow: [] } },
  });

  it("a job that fits in no way that it allows now waits until the first thing that speaks against it falls", async () => {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    const untilMs = world.clock.nowMs() + misfitLifeMs;
    for (const profile of ["model-offload", "tiling", "group-offload", "fp8"] as const) {
      await world.envelopes.noteMisfit(
        { deviceUuid: world.deviceUuid, profile },
        world.envelopeOf(lease.spec.request),
        foundClean,
      );
      await world.clock.advance(secondMs);
    }
    const prepared = await prepare(nothingMayChange(lease));
    expect(prepared).toMatchObject({ kind: "waits", untilMs });
    await settle(lease, settlementOfPreparation(prepared));
    const job = await world.store.jobs.get(lease.jobId);
    expect(job).toMatchObject({ state: "queued", attempts: 0, runAtMs: untilMs });
    expect(job === null ? "" : messageOfJob(job)).toBe(
      `It is not tried before ${isoOf(untilMs)}: its size ran out of memory in every memory mode, and is tried once more then.`,
    );
  });

  it("a job that the card never carries, and no other worker either, is the request's own fault", async () => {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew({ size: tooLarge });
    expect(await prepare(nothingMayChange(lease))).toMatchObject({ kind: "unfit", fault: { attribution: "request" } });
  });

  it("a job that this card does not carry waits while another worker is not connected, or has room now", async () => {
    await connectHolding("T2V-A14B");
    const workers = [workerId, "worker-1"].flatMap((id) => world.config.workers.map((one) => ({ ...one, id })));
    const needs = { ...world, config: { ...world.config, workers } };
    const lease = nothingMayChange(await world.claimNew());
    const wide = { ...lease.spec, request: { ...lease.spec.request, ...tooLarge } };
    expect(waitingOf(needs, workerId, wide)).toEqual({
      kind: "until",
      atMs: world.clock.nowMs() + minuteMs,
      because: "it does not fit worker-0, and waits for a worker that is not connected",
    });
    await world.connect("worker-1");
    expect(waitingOf(needs, workerId, lease.spec)).toEqual({
      kind: "until",
      atMs: world.clock.nowMs() + 10 * secondMs,
      because: "it does not fit worker-0 now, and waits for another worker",
    });
    expect(waitingOf(needs, workerId, wide)).toEqual({ kind: "never" });
  });

  it("without a connection nothing is prepared", async () => {
    await expect(prepare(await world.claimNew())).rejects.toMatchObject({ code: "WORKER_EXITED" });
  });
});

const settle = async (lease: Lease, settlement: Settlement, needs = actors): Promise<void> =>
  toPromise(createActor(needs.settleAttempt, { input: { workerId, lease, settlement } }).start());

const died: Settlement = {
  kind: "death",
  isOwnDoing: false,
  hasBegun: true,
  evidence: { exitSignal: "SIGSEGV" },
};

describe("giving an attempt back", () => {
  const lastRow = async (kind: "job.retried" | "job.failed") => (await world.rows(kind)).at(-1);

  /** Once a job that could not be prepared was claimed and given back thousands of times a second, and nothing else ran. */
  it.each<[string, Settlement]>([
    ["that could not be prepared", { kind: "release", why: "the worker could not be prepared" }],
    ["whose worker was stopped on purpose", { kind: "death", evidence: {}, isOwnDoing: true, hasBegun: true }],
  ])("a job %s is not claimed again at once", async (_, settlement) => {
    const lease = await world.claimNew();
    await settle(lease, settlement);
    expect((await claim()).lease).toBeNull();
    await world.clock.advance(secondMs);
    expect(await claim()).toMatchObject({ lease: { jobId: lease.jobId } });
  });

  it("a fault of the request ends the job: another try would end as this one", async () => {
    const lease = await world.claimNew();
    const evidence: Evidence = {
      workerFailure: failureOf("ValueError", "`height` and `width` have to be divisible by 16"),
    };
    const fault = faultOfRecord({ ...classify(evidence), attribution: "request" });
    await settle(lease, { kind: "fault", fault, hasBegun: true });
    expect(await world.stateOf(lease.jobId)).toBe("failed");
  });

  it("any other fault lets the job wait for its next try", async () => {
    const lease = await world.claimNew();
    await settle(lease, {
      kind: "fault",
      fault: classify({ workerFailure: failureOf("torch.OutOfMemoryError", "full") }),
      hasBegun: true,
    });
    expect(await world.stateOf(lease.jobId)).toBe("queued");
    expect(await lastRow("job.retried")).toMatchObject({ jobId: lease.jobId, data: { code: "GPU_OUT_OF_MEMORY" } });
  });

  it("a job whose workers die alone is set aside after the second death", async () => {
    const jobId = await world.submit();
    for (const state of ["queued", "quarantined"]) {
      await settle(await world.claim(), died);
      expect(await world.stateOf(jobId)).toBe(state);
      await world.clock.advance(minuteMs);
    }
  });

  it("where workers die under other jobs too it is the host's doing, and no job is set aside for it", async () => {
    const jobs = [await world.submit(), await world.submit()];
    for (let round = 0; round < 2; round += 1) {
      const leases = [await world.claim(), await world.claim("worker-1")];
      for (const lease of leases) await settle(lease, died);
      await world.clock.advance(minuteMs);
    }
    expect(await Promise.all(jobs.map(world.stateOf))).toEqual(["queued", "queued"]);
  });

  it("a death in a drill is no witness against the job", async () => {
    world.drill.begin("kill");
    const jobId = await world.submit();
    for (let round = 0; round < 3; round += 1) {
      await settle(await world.claim(), died);
      await world.clock.advance(2 * secondMs);
    }
    expect(await world.stateOf(jobId)).toBe("queued");
  });

  it("a cancelled one ends the job, and nothing is left to go on from", async () => {
    const lease = await world.claimNew();
    world.workerWorld.checkpoints.set(lease.jobId, 12);
    await world.store.jobs.cancel(lease.jobId, "client:a");
    await settle(lease, { kind: "cancelled" });
    expect(await world.stateOf(lease.jobId)).toBe("cancelled");
    expect(world.workerWorld.checkpoints.has(lease.jobId)).toBe(false);
  });

  it("the worker drops what it kept of it, and its bar is gone", async () => {
    const worker = await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    const { jobId, fence, spec } = lease;
    worker.generate({
      jobId,
      fence,
      request: spec.request,
      workflow: null,
      outputPath: "staging/a",
      checkpointDir: "",
    });
    world.progress.note({ jobId, workerId, phase: "denoise", step: 1, of: 40 });
    await world.clock.advance(2 * minuteMs);
    expect(worker.attach().result).not.toBeNull();
    await settle(lease, { kind: "release", why: "a test" });
    await world.clock.settle();
    expect([worker.attach().result, world.progress.of(jobId)]).toEqual([null, null]);
  });
});

function failureOf(exceptionType: string, message: string) {
  return { phase: "denoise", step: 3, exceptionType, message, causes: [], deviceUsable: true, memory: null } as const;
}

describe("the card of an attempt", () => {
  const place = () => ({ deviceUuid: world.deviceUuid, profile: "model-offload" }) as const;

  it("is clean when nobody else has a part of it, and that is known of the last attempt alone", async () => {
    await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    expect(world.attempts.wasClean(lease.jobId, place())).toBe(false);
    await prepare(lease);
    expect(world.attempts.wasClean(lease.jobId, place())).toBe(true);
    expect(world.attempts.wasClean(lease.jobId, { ...place(), profile: "tiling" })).toBe(false);
    world.setNeighbour(20 * gibibyte);
    await prepare(lease);
    expect(world.attempts.wasClean(lease.jobId, place())).toBe(false);
  });

  it("is not clean while its worker keeps memory of former jobs; the allocator's cache does not count", async () => {
    const worker = await connectHolding("T2V-A14B");
    const lease = await world.claimNew();
    worker.cachedBytes = 20 * gibibyte;
    await prepare(lease);
    expect(world.attempts.wasClean(lease.jobId, place())).toBe(true);
    worker.leakBytes = 20 * gibibyte;
    await prepare(lease);
    expect(world.attempts.wasClean(lease.jobId, place())).toBe(false);
  });
});

describe("rendering", () => {
  async function render(options: JobOptions = {}) {
    const worker = await connectHolding("T2V-A14B");
    const lease = await world.claimNew(options);
    const told = listenTo(actors.renderJob, { workerId, lease, isUnderWay: false });
    return { worker, lease, told };
  }

  it("tells each phase and the end, and writes its beginning and its end down", async () => {
    const { lease, told } = await render();
    await world.clock.advance(2 * minuteMs);
    expect(told.ofType("phase.started").map(({ phase }) => phase)).toEqual(["encode", "denoise", "decode", "mux"]);
    expect(told.ofType("render.completed")).toMatchObject([{ report: { jobId: lease.jobId, stepsRendered: 40 } }]);
    expect(await world.rows("render.began", "render.completed")).toMatchObject([
      { kind: "render.began", jobId: lease.jobId, data: { fence: 1, adopted: false } },
      { kind: "render.completed", data: { fence: 1, steps_rendered: 40, resumed_from_step: 0 } },
    ]);
    told.stop();
  });

  it("that ran out of the card's memory once says nothing about its size: what failed may be the job", async () => {
    const { worker, lease, told } = await render();
    const place = { deviceUuid: world.deviceUuid, profile: "model-offload" } as const;
    worker.armed = { fault: "oom", phase: "denoise", atStep: 2 };
    await world.clock.advance(minuteMs);
    expect(told.ofType("render.failed")).toMatchObject([{ fault: { code: "GPU_OUT_OF_MEMORY" } }]);
    expect(world.envelopes.fits(place, world.envelopeOf(lease.spec.request), 80 * gibibyte)).toBe(true);
    told.stop();
  });

  it("any other fault says nothing about the card's memory", async () => {
    const { worker, lease, told } = await render();
    worker.armed = { fault: "raise", phase: "denoise", atStep: 2, errorName: "request" };
    await world.clock.advance(minuteMs);
    expect(told.ofType("render.failed")).toHaveLength(1);
    const place = { deviceUuid: world.deviceUuid, profile: "model-offload" } as const;
    expect(world.envelopes.fits(place, world.envelopeOf(lease.spec.request), 80 * gibibyte)).toBe(true);
    told.stop();
  });

  it("cancelling frees the device, also where nobody is connected any more", async () => {
    const { worker, lease, told } = await render();
    await world.clock.advance(5 * secondMs);
    const cancel = (): Promise<boolean> =>
      settled(world, toPromise(createActor(actors.cancelRender, { input: { workerId, lease } }).start()));
    expect([await cancel(), worker.attach().jobId]).toEqual([true, null]);
    world.links.close(workerId);
    expect(await cancel()).toBe(true);
    told.stop();
  });

  it("the lease is kept while the render goes on, and its loss is told", async () => {
    const lease = await world.claimNew();
    const told = listenTo(actors.keepLease, { workerId, lease });
    await world.clock.advance(5 * minuteMs);
    expect([await world.store.jobs.sweep(), told.types()]).toEqual([{ requeued: [], expired: [] }, []]);
    await world.store.jobs.cancel(lease.jobId, "client:a");
    await world.clock.advance(minuteMs);
    expect(told.types()).toContain("job.cancel");
    await world.store.jobs.release(lease, "taken");
    await world.clock.advance(minuteMs);
    expect(told.types().at(-1)).toBe("lease.lost");
    told.stop();
  });
});
