/** Jobs that are held back for a time of their own, while a worker stands ready: each is answered by its consent meanwhile. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { messageOfJob } from "../../../src/contract/job-truth.ts";
import { isoOf } from "../../../src/core/clock.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { waitReasonOf } from "../../../src/core/wait-reason.ts";
import { type FallbackConsent, fallbackConsents } from "../../../src/core/words.ts";
import { makeFailure } from "../../unit/job-store-world.ts";
import { type ServiceWorld, startServiceWorld } from "../service-world.ts";

let world: ServiceWorld;
beforeEach(async () => {
  world = await startServiceWorld();
  await world.reachMode("ready");
});
afterEach(() => world.stop());

const by = "operator:ada";
type How = "backingOff" | "memoryShort";

/** A job of each consent that was begun once, and is not tried again before that time. */
async function holdBack(how: How, forMs: number): Promise<Record<FallbackConsent, string>> {
  // Nobody else takes the jobs meanwhile.
  await world.ports.intake.pause({ isReleasing: false, waitMs: 0, by });
  await world.clock.settle();
  const ids: [FallbackConsent, string][] = [];
  for (const consent of fallbackConsents) ids.push([consent, await world.order(consent)]);
  const runAtMs = world.clock.nowMs() + forMs;
  for (const _ of ids) {
    const lease = await world.claim();
    if (how === "memoryShort")
      await world.store.jobs.release(lease, waitReasonOf(runAtMs, "its size ran out of memory"), runAtMs);
    else
      await world.store.jobs.fail(
        lease,
        makeFailure(world.clock.nowMs(), { isSuspect: true, signature: "unknown: odd", runAtMs }),
      );
  }
  await world.ports.intake.resume(by);
  return Object.fromEntries(ids) as Record<FallbackConsent, string>;
}

const jobOf = async (id: string) => {
  const job = await world.store.jobs.get(id);
  if (job === null) throw new Error("the job is gone");
  return job;
};
const shownTo = async (ids: Record<FallbackConsent, string>) => {
  const shown = new Set((await world.rows("job.stoodIn")).map(({ jobId }) => jobId));
  const look = async (consent: FallbackConsent) => [
    (await jobOf(ids[consent])).state,
    shown.has(ids[consent]) ? "stand-in" : "nothing",
  ];
  return {
    stand_in_then_real: await look("stand_in_then_real"),
    wait: await look("wait"),
    fail: await look("fail"),
    stand_in: await look("stand_in"),
  };
};
const promisedTo = async (id: string) => (await world.ports.outlook.of(await jobOf(id))).promised;

describe("a job that waits for memory until a named time", () => {
  it("is answered by its consent, so long after that was known, while the worker is free", async () => {
    const ids = await holdBack("memoryShort", 10 * minuteMs);
    expect(await promisedTo(ids.stand_in_then_real)).toEqual({
      kind: "standInThenReal",
      sentence:
        "No worker has the memory for it now. This video gets a labelled stand-in first, and is tried again in about 10 min.",
    });
    await world.clock.advance(world.config.standIn.afterMs - 1);
    expect(await shownTo(ids)).toEqual({
      stand_in_then_real: ["queued", "nothing"],
      wait: ["queued", "nothing"],
      fail: ["queued", "nothing"],
      stand_in: ["queued", "nothing"],
    });
    await world.clock.advance(3 * secondMs);
    expect(await shownTo(ids)).toEqual({
      stand_in_then_real: ["queued", "stand-in"],
      wait: ["queued", "nothing"],
      fail: ["failed", "nothing"],
      stand_in: ["succeeded", "stand-in"],
    });
    expect(world.ports.status().mode).toBe("ready");
    expect(await jobOf(ids.fail)).toMatchObject({
      errorCode: "NO_REAL_ROUTE",
      errorMessage:
        "No worker can give real output now (no worker has the memory for it now), and this job does not want to wait.",
    });
    const job = await jobOf(ids.stand_in_then_real);
    expect(messageOfJob(job)).toBe(
      `A stand-in is shown; the real video is still owed. It is not tried before ${isoOf(job.runAtMs)}: its size ran out of memory.`,
    );
  });

  it("is rendered then, also when a stand-in was shown", async () => {
    const ids = await holdBack("memoryShort", minuteMs);
    expect(await world.ended(ids.stand_in_then_real)).toBe("succeeded");
    expect((await jobOf(ids.stand_in_then_real)).result?.servedBy.kind).toBe("real");
  });
});

describe("a suspect that waits out its delay", () => {
  it("is answered by its consent; who does not want to wait fails by what the job fails of, not for want of a way", async () => {
    const ids = await holdBack("backingOff", 5 * minuteMs);
    await world.clock.advance(world.config.standIn.afterMs + 3 * secondMs);
    expect(await shownTo(ids)).toEqual({
      stand_in_then_real: ["queued", "stand-in"],
      wait: ["queued", "nothing"],
      fail: ["queued", "nothing"],
      stand_in: ["succeeded", "stand-in"],
    });
    expect(await promisedTo(ids.fail)).toEqual({
      kind: "realLater",
      sentence: "Its last attempt failed or was interrupted. This video is tried again in about 5 min.",
    });
    const job = await jobOf(ids.fail);
    expect(messageOfJob(job)).toMatch(new RegExp(`when no other job waits, not before ${isoOf(job.runAtMs)}\\.$`));
  });

  it("that is due before the answer would be gets none", async () => {
    const { afterMs } = world.config.standIn;
    await holdBack("backingOff", afterMs);
    await world.clock.advance(afterMs + secondMs);
    expect(await world.rows("job.stoodIn")).toEqual([]);
  });
});
