import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planOf, planReduction, planRender } from "../../../src/app/rendering/plan-render.ts";
import { createQuarantine } from "../../../src/app/rendering/quarantine.ts";
import { removeJob } from "../../../src/app/rendering/remove-job.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { makeFailure, suspectedDeath } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld, foundClean, settled, workerId } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld();
});
afterEach(() => world.close());

describe("progress", () => {
  const note = (step: number, phase: "encode" | "denoise" | "decode" = "denoise", leftMs?: number) =>
    world.progress.note({ jobId: "a", workerId, phase, step, of: 40, ...(leftMs === undefined ? {} : { leftMs }) });

  it("a bar does not fall within one attempt, and the next begins from nothing", () => {
    note(20);
    const reached = world.progress.of("a")?.ratio ?? 0;
    note(2);
    expect(world.progress.of("a")?.ratio).toBe(reached);
    world.progress.clear("a");
    expect(world.progress.of("a")).toBeNull();
    note(2);
    expect(world.progress.of("a")?.ratio).toBeLessThan(reached);
  });

  it("says nothing about the end while too little was seen, then goes by this attempt's pace", async () => {
    note(0);
    expect(world.progress.of("a")?.etaMs).toBeNull();
    await world.clock.advance(minuteMs);
    note(20);
    const etaMs = world.progress.of("a")?.etaMs ?? 0;
    expect(etaMs).toBeGreaterThan(minuteMs);
    expect(etaMs).toBeLessThan(3 * minuteMs);
  });

  it("what this machine's history says comes first", () => {
    note(1, "denoise", 90_000);
    expect(world.progress.of("a")?.etaMs).toBe(90_000);
  });

  it("tells each step to those who listen", () => {
    const heard: number[] = [];
    const leave = world.progress.onProgress(({ step }) => heard.push(step));
    note(1);
    note(2);
    leave();
    note(3);
    expect(heard).toEqual([1, 2]);
    expect(world.progress.list()).toHaveLength(1);
  });
});

describe("the plan of a render", () => {
  it("is the job as it was asked where that fits", async () => {
    await world.connect();
    const { spec } = await world.claimNew();
    const fit = planRender(world, workerId, spec, null);
    expect(fit).toMatchObject({ request: spec.request, changes: [] });
    expect(fit === null ? "none" : planOf(fit)).toBeNull();
  });

  it("changes no more than the job allows, and says what and why", async () => {
    await world.connect();
    const { spec } = await world.claimNew();
    for (const profile of ["model-offload", "tiling", "group-offload", "fp8"] as const)
      await world.envelopes.noteMisfit(
        { deviceUuid: world.deviceUuid, profile },
        world.envelopeOf(spec.request),
        foundClean,
      );
    const fit = planRender(world, workerId, spec, null);
    expect(fit === null ? null : planOf(fit)).toMatchObject({ changes: [{ field: "frames", from: 81, to: 65 }] });
    expect(planRender(world, workerId, { ...spec, consent: { ...spec.consent, allow: [] } }, null)).toBeNull();
  });

  it("beside a loaded model keeps the memory mode that it has", async () => {
    await world.connect();
    const { spec } = await world.claimNew();
    const resident = { model: "T2V-A14B", profile: "tiling" } as const;
    await world.envelopes.noteMisfit(
      { deviceUuid: world.deviceUuid, profile: "tiling" },
      world.envelopeOf(spec.request),
      foundClean,
    );
    expect(planReduction(world, workerId, spec, resident)).toMatchObject({ profile: "tiling" });
    expect(planReduction(world, workerId, spec, resident)?.changes).not.toEqual([]);
  });
});

describe("removing a job", () => {
  const remove = (jobId: string) =>
    settled(world, removeJob({ ...world, cancelJob: (id, by) => world.store.jobs.cancel(id, by) }, jobId, "client:a"));

  it("that waits takes it and its files away", async () => {
    const jobId = await world.submit();
    world.workerWorld.checkpoints.set(jobId, 4);
    const picture = await world.artifacts.publishBytes(new Uint8Array(3), {
      jobId,
      kind: "stand_in",
      mimeType: "video/mp4",
    });
    await world.store.jobs.attach(jobId, picture, { servedBy: null, reason: null });
    expect(world.published.size).toBe(1);
    expect(await remove(jobId)).toBe("removed");
    expect([await world.stateOf(jobId), world.published.size, world.workerWorld.checkpoints.size]).toEqual([
      null,
      0,
      0,
    ]);
  });

  it("that is being rendered waits for its card to be free", async () => {
    const lease = await world.claimNew();
    world.clock.setTimer(() => void world.store.jobs.confirmCancel(lease), 3 * secondMs);
    const beganAtMs = world.clock.nowMs();
    expect(await remove(lease.jobId)).toBe("removed");
    expect(world.clock.nowMs() - beganAtMs).toBe(3 * secondMs);
  });

  it("that does not end within ten seconds is still stopping, and stays", async () => {
    const lease = await world.claimNew();
    expect(await remove(lease.jobId)).toBe("stopping");
    expect(await world.stateOf(lease.jobId)).toBe("running");
  });

  it("that nobody knows is absent", async () => {
    expect(await remove("job-of-nobody")).toBe("absent");
  });
});

describe("a job that was set aside", () => {
  async function setAside(): Promise<string> {
    const jobId = await world.submit();
    for (let death = 0; death < 2; death += 1)
      await world.store.jobs.fail(await world.claim(), makeFailure(world.clock.nowMs(), suspectedDeath));
    expect(await world.stateOf(jobId)).toBe("quarantined");
    return jobId;
  }

  it("may be claimed again once it was released, and only then somebody is told", async () => {
    let told = 0;
    const quarantine = createQuarantine(world.store, () => {
      told += 1;
    });
    const jobId = await setAside();
    expect([await quarantine.release("job-of-nobody", "operator:a"), told]).toEqual(["absent", 0]);
    expect([await quarantine.release(jobId, "operator:a"), told]).toEqual(["ok", 1]);
    expect(await world.claim()).toMatchObject({ jobId });
  });

  it("has failed once it was dropped", async () => {
    const jobId = await setAside();
    const quarantine = createQuarantine(world.store, () => undefined);
    expect([await quarantine.drop(jobId, "operator:a"), await world.stateOf(jobId)]).toEqual(["ok", "failed"]);
  });
});
