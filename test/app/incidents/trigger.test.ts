/** What a trigger answers for each failure type on a sound, a sick, a busy, a stopping and a resting service. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { secondMs } from "../../../src/core/units.ts";
import { type FailureType, failureTypes } from "../../../src/core/words.ts";
import type { RecoveryTriggered } from "../../../src/server/server-ports.ts";
import { settled, workerId } from "../app-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
beforeEach(async () => {
  world = await startServiceWorld();
  await world.reachMode("ready");
});
afterEach(() => world.stop());

/** So long the server waits for those who name no time. */
const waitMs = 25 * secondMs;
const nothingToRepair = "Nothing to repair: test render passed";

interface Asked {
  readonly answer: RecoveryTriggered;
  readonly tookMs: number;
  readonly beganSeq: number;
}

const askedAs = [
  ["asked", false],
  ["forced", true],
] as const;
const cases = failureTypes.flatMap((failureType) =>
  askedAs.map(([how, isForced]) => [how, failureType, isForced] as const),
);

async function ask(failureType: FailureType, isForced: boolean): Promise<Asked> {
  const beganAtMs = world.clock.nowMs();
  const beganSeq = await world.store.events.newestSeq();
  const order = { failureType, workerId: null, isForced, waitMs, by: "operator:a" } as const;
  const answer = await settled(world, world.ports.recovery.trigger(order));
  const asked = { answer, tookMs: world.clock.nowMs() - beganAtMs, beganSeq };
  await expectTruth(asked, failureType);
  return asked;
}

/** Whatever is answered: it is what the timeline says, and what the next job gets. */
async function expectTruth({ answer, tookMs, beganSeq }: Asked, failureType: FailureType): Promise<void> {
  const { message, isPending, isSuccess, incidentId, isStandingIn, isRealGenerationEnabled } = answer;
  const rows = (await world.rows("rung.ended", "canary.passed", "canary.failed")).filter(
    (row) => row.seq > beganSeq && row.incidentId === incidentId,
  );
  expect(tookMs).toBeLessThanOrEqual(waitMs);
  const rungs = rows.flatMap((row) => (row.kind === "rung.ended" ? [row.data] : []));
  expect(answer.actions).toEqual(rungs.map(({ action, outcome, reason }) => ({ action, outcome, reason })));
  const lastTest = rows.findLast(({ kind }) => kind !== "rung.ended");
  if (/test render passed/i.test(message)) expect(lastTest?.kind).toBe("canary.passed");
  if (message === `All recovery strategies failed for ${failureType}`) expect(isRealGenerationEnabled).toBe(false);
  if (isPending) expect([isSuccess, incidentId]).toEqual([false, expect.any(String)]);
  if (isSuccess) expect(isRealGenerationEnabled).toBe(!isStandingIn);
  expect(isRealGenerationEnabled && isStandingIn).toBe(false);
  expect(world.context().mode === "mock" && isRealGenerationEnabled).toBe(false);
}

/** A job that is ordered now is rendered at once, and nobody needs a stand-in. */
async function expectRenderedAtOnce(): Promise<void> {
  const askedAtMs = world.clock.nowMs();
  const jobId = await world.order();
  expect(await world.ended(jobId)).toBe("succeeded");
  expect(world.clock.nowMs() - askedAtMs).toBeLessThan(20 * secondMs);
  expect(await world.rows("job.stoodIn", "incident.stoodIn")).toEqual([]);
}

/** No model loads and no test render passes any more. */
function sicken(): void {
  for (const { model } of world.context().configured) world.brokenModels.add(model);
  for (const worker of world.workers.values()) worker.bad.probes = Number.POSITIVE_INFINITY;
}

describe("a trigger on a sound service", () => {
  it.each(cases)(
    "that is %s for a %s says what was done, twice, and costs no job",
    async (_how, failureType, isForced) => {
      const first = await ask(failureType, isForced);
      expect(first.answer).toMatchObject({ isSuccess: true, isPending: false, isRealGenerationEnabled: true });
      if (!isForced) expect(first.answer.message).toBe(nothingToRepair);
      await expectRenderedAtOnce();
      const modeBefore = world.context().mode;
      const second = await ask(failureType, isForced);
      expect(second.answer.isRealGenerationEnabled).toBe(true);
      expect([modeBefore, world.context().mode]).toEqual(["ready", "ready"]);
      await expectRenderedAtOnce();
    },
  );

  it("is tried out inside the cooldown of the one before, and stops nobody", async () => {
    await ask("vram_exhaustion", true);
    await world.reach(() => Object.keys(world.context().incidents).length === 0);
    expect((await world.rows("cooldown.started")).length).toBe(1);
    const second = await ask("vram_exhaustion", true);
    expect(second.answer).toMatchObject({ message: nothingToRepair, isSuccess: true, actions: [] });
    expect((await world.rows("mode.changed")).at(-1)?.data.to).toBe("ready");
    await expectRenderedAtOnce();
  });

  it("that is only asked is told the cooldown, and that real generation is on", async () => {
    await ask("vram_exhaustion", true);
    await expectRenderedAtOnce();
    const { answer, tookMs } = await ask("vram_exhaustion", false);
    expect(answer.message).toMatch(/^Recovery cooldown active for vram_exhaustion \(\d+s remaining\)$/);
    expect(answer).toMatchObject({ isSuccess: false, isRealGenerationEnabled: true, incidentId: null });
    expect(tookMs).toBe(0);
  });

  it("measures host and card where that is a step, and says what was found", async () => {
    for (const failureType of ["system_resource_error", "hardware_optimization_failure"] as const) {
      const { answer } = await ask(failureType, true);
      expect(answer.actions).toMatchObject([{ action: "system_health_check", outcome: "effective" }]);
      await world.reach(() => Object.keys(world.context().incidents).length === 0);
    }
  });
});

describe("a trigger on a sick service", () => {
  it.each(cases)(
    "that is %s for a %s tells the whole ladder, down to the stand-in",
    async (_how, failureType, isForced) => {
      sicken();
      const { answer } = await ask(failureType, isForced);
      expect(answer).toMatchObject({ isRealGenerationEnabled: false, isPending: false, isStandingIn: true });
      expect(answer.actions.at(-1)?.action).toBe("fallback_to_mock");
      expect(answer.message).toBe("Recovery successful using fallback_to_mock");
    },
  );

  it("says inside a cooldown that a test render failed", async () => {
    await ask("network_error", true);
    await world.reach(() => Object.keys(world.context().incidents).length === 0);
    sicken();
    const { answer } = await ask("network_error", true);
    expect(answer.message).toMatch(
      /^Recovery cooldown active for network_error \(\d+s remaining\); a test render failed$/,
    );
    expect(answer).toMatchObject({ isSuccess: false, isStandingIn: true, isRealGenerationEnabled: false, actions: [] });
  });

  it("lets an incident that waits look at once, and climbs beside none", async () => {
    sicken();
    const first = await ask("network_error", false);
    const second = await ask("vram_exhaustion", true);
    expect(second.answer.incidentId).toBe(first.answer.incidentId);
    expect((await world.rows("incident.opened")).length).toBe(1);
    expect((await world.rows("canary.failed")).at(-1)?.seq).toBeGreaterThan(second.beganSeq);
    world.brokenModels.clear();
    for (const worker of world.workers.values()) worker.bad.probes = 0;
    const third = await ask("network_error", true);
    expect(third.answer).toMatchObject({ isSuccess: true, isRealGenerationEnabled: true, message: nothingToRepair });
  });

  it("measures host and card also while the worker is dead, and never speaks of a socket", async () => {
    world.workers.get(workerId)?.die({ code: 1, signal: null });
    const { answer } = await ask("system_resource_error", true);
    await world.reach(() => world.context().mode === "ready");
    expect(answer.actions.map(({ outcome }) => outcome)).not.toContain("unknown");
    expect(JSON.stringify(answer)).not.toMatch(/socket/);
  });

  it("says of a worker that only a person can get to start that nothing else helps, and starts it once more", async () => {
    // It served, so its end is a death like any other; what its next start says is for a person.
    world.workers.get(workerId)?.die({ code: 78, signal: null });
    await world.reach(() => world.workers.get(workerId)?.isAlive === true);
    world.workers.get(workerId)?.die({ code: 78, signal: null });
    await world.reach(() => world.context().workers[workerId]?.process === "unstartable");
    const spent = await world.rows("budget.spent");
    const { answer } = await ask("system_resource_error", true);
    expect(answer).toMatchObject({ isSuccess: false, isPending: false, actions: [] });
    expect(answer.message).toContain("cannot start until a person mends");
    await world.reach(() => Object.keys(world.context().incidents).length === 0);
    expect((await world.rows("incident.closed")).map(({ data }) => data.status)).toEqual(["resolved", "resolved"]);
    expect(await world.rows("budget.spent")).toEqual(spent);
  });
});

describe("a trigger on a busy service", () => {
  it.each(cases)("that is %s for a %s says behind which job it waits", async (_how, failureType, isForced) => {
    const jobId = await world.order();
    await world.reach(() => world.context().workers[workerId]?.jobId === jobId);
    world.workers.get(workerId)?.freeze();
    const { answer, tookMs } = await ask(failureType, isForced);
    expect(answer).toMatchObject({ isPending: true, message: `Recovery queued behind job ${jobId}`, actions: [] });
    expect(tookMs).toBe(waitMs);
  });

  it.each(failureTypes)("for a %s waits for the end of a short job, and then tries", async (failureType) => {
    const jobId = await world.order();
    await world.reach(() => world.context().workers[workerId]?.jobId === jobId);
    const { answer } = await ask(failureType, false);
    expect(answer).toMatchObject({ isSuccess: true, message: nothingToRepair });
    expect(await world.ended(jobId)).toBe("succeeded");
    expect(await world.rows("render.began")).toHaveLength(1);
  });
});

describe("a trigger on a service that stops or rests", () => {
  it.each(cases)("that is %s for a %s is answered at once while it stops", async (_how, failureType, isForced) => {
    await world.order();
    await world.reach(() => world.context().workers[workerId]?.jobId !== null);
    const finished = world.service.finishJobs(60 * secondMs);
    const { answer, tookMs } = await ask(failureType, isForced);
    expect(answer).toMatchObject({
      isSuccess: false,
      isPending: false,
      incidentId: null,
      isRealGenerationEnabled: false,
      message: "The service is stopping; nothing is repaired any more",
    });
    expect(tookMs).toBe(0);
    expect(await world.rows("incident.opened")).toEqual([]);
    await settled(world, finished);
  });

  it.each(cases)(
    "that is %s for a %s leaves a worker alone that was given back",
    async (_how, failureType, isForced) => {
      await settled(world, world.ports.intake.pause({ isReleasing: true, waitMs: 20 * secondMs, by: "operator:a" }));
      expect(world.context().workers[workerId]?.process).toBe("resting");
      const { answer } = await ask(failureType, isForced);
      expect(answer).toMatchObject({ isSuccess: false, incidentId: null, isRealGenerationEnabled: false });
      expect(answer.message).toMatch(/^worker-0 rests/);
      expect(world.context().workers[workerId]?.process).toBe("resting");
    },
  );

  it("is told of a stop that begins while it waits", async () => {
    await world.order();
    await world.reach(() => world.context().workers[workerId]?.jobId !== null);
    const order = { failureType: "network_error", workerId, isForced: false, waitMs, by: "operator:a" } as const;
    const asked = world.ports.recovery.trigger(order);
    await world.clock.advance(secondMs);
    const finished = world.service.finishJobs(60 * secondMs);
    const askedAtMs = world.clock.nowMs();
    expect(await settled(world, asked)).toMatchObject({ isPending: false, isSuccess: false });
    expect(world.clock.nowMs() - askedAtMs).toBeLessThan(secondMs);
    await settled(world, finished);
  });
});

describe("two triggers at the same time", () => {
  it("each follow their own worker's incident", async () => {
    const twice = await startServiceWorld({ "sim.gpus": "2" });
    await twice.reach(() => Object.values(twice.context().workers).every(({ isProven }) => isProven));
    const order = { failureType: "vram_exhaustion", isForced: true, waitMs, by: "operator:a" } as const;
    const [one, other] = await settled(
      twice,
      Promise.all([
        twice.ports.recovery.trigger({ ...order, workerId: "worker-0" }),
        twice.ports.recovery.trigger({ ...order, workerId: "worker-1" }),
      ]),
    );
    const incidents = await twice.rows("incident.opened");
    const ofWorker = (id: string) => incidents.find((row) => row.workerId === id)?.incidentId;
    expect([one?.incidentId, other?.incidentId]).toEqual([ofWorker("worker-0"), ofWorker("worker-1")]);
    await twice.stop();
  });
});
