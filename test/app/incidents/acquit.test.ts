import { describe, expect, it } from "vitest";
import { createAcquittal } from "../../../src/app/incidents/acquit.ts";
import type { Blame } from "../../../src/core/words.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import { createAppWorld, workerId } from "../app-world.ts";

const settled = (blame: Blame, jobIds: readonly string[]): SupervisorFact => ({
  type: "blame.settled",
  id: "inc-1-1",
  workerId,
  data: {
    blame,
    because: "it was tried",
    job_ids: [...jobIds],
    job_count: jobIds.length,
    signature: "outOfMemory: all",
  },
});

describe("the jobs of a failure", () => {
  it.each<[Blame, boolean, boolean]>([
    ["job", true, false],
    ["size", false, false],
    ["route", false, true],
  ])("whose blame is the %s's: suspected still %s, due at once %s", async (blame, isSuspect, isDue) => {
    const world = await createAppWorld();
    try {
      const { jobs } = world.store;
      const lease = await world.claimNew();
      const runAtMs = world.clock.nowMs() + 60_000;
      const failure = { code: "GPU_OUT_OF_MEMORY", message: "all is taken", signature: "outOfMemory: all" } as const;
      const kind = { isRetryable: true, kind: "error", isSuspect: true, evidence: {}, runAtMs } as const;
      expect(await jobs.fail(lease, { ...failure, ...kind })).toBe("retry");
      createAcquittal({ store: world.store, logger: { warn: () => undefined } })(settled(blame, [lease.jobId]));
      const job = await jobs.get(lease.jobId);
      expect(job).toMatchObject({ attempts: isSuspect ? 1 : 0, suspicion: isSuspect ? {} : null });
      const dueAtMs = await jobs.nextDueAtMs(["T2V-A14B"], world.clock.nowMs());
      expect(dueAtMs).toBe(isDue ? null : runAtMs);
    } finally {
      await world.close();
    }
  });
});
