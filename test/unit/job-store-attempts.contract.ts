/** Contract tests of a job store: leases, fences and the ends of attempts. */
import { describe, expect, it } from "vitest";
import type { Lease } from "../../src/core/job.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { artifactOf, type JobStoreWorld, leaseMs, result, servedBy, suspectedDeath } from "./job-store-world.ts";

/** What the holder of a lease may do, and who wins when several write at once. */
export function describeAttempts(world: JobStoreWorld): void {
  describe("the lease", () => {
    it("goes on as long as it is renewed", async () => {
      const lease = await world.claimNew();
      for (let index = 0; index < 5; index += 1) {
        await world.clock.advance(20 * secondMs);
        expect(await world.jobs.renew(lease, leaseMs)).toBe("ok");
        expect(await world.jobs.sweep()).toEqual({ requeued: [], expired: [] });
      }
      expect(await world.finish(lease)).toBe("ok");
    });

    it("runs out without renewal: the job waits again, its attempt is not charged, and the old holder is told", async () => {
      const lease = await world.claimNew();
      await world.clock.advance(leaseMs);
      expect(await world.jobs.sweep()).toEqual({ requeued: [lease.jobId], expired: [] });
      expect(await world.jobs.sweep()).toEqual({ requeued: [], expired: [] });
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "queued",
        attempts: 0,
        hostLosses: 0,
        workerId: null,
      });
      expect(await world.jobs.renew(lease, leaseMs)).toBe("lost");
    });

    it("still commits after it ran out, as long as nobody swept or claimed", async () => {
      const lease = await world.claimNew();
      await world.clock.advance(hourMs);
      expect(await world.finish(lease)).toBe("ok");
      expect(await world.jobs.sweep()).toMatchObject({ requeued: [] });
    });

    it("is given back without charge, at the time that was asked for", async () => {
      const lease = await world.claimNew();
      expect(await world.jobs.release(lease, "draining", world.clock.nowMs() + minuteMs)).toBe("ok");
      expect(await world.tryClaim()).toBeNull();
      await world.clock.advance(minuteMs);
      expect(await world.claim()).toMatchObject({ fence: 2, attempt: 1 });
      expect(await world.jobs.release(lease, "draining")).toBe("stale");
    });
  });

  describe("the fence", () => {
    const writers: readonly [string, (lease: Lease) => Promise<unknown>, unknown][] = [
      ["renew", (lease) => world.jobs.renew(lease, leaseMs), "lost"],
      ["commit", (lease) => world.finish(lease), "stale"],
      ["fail", (lease) => world.jobs.fail(lease, world.failure()), "stale"],
      ["release", (lease) => world.jobs.release(lease, "late"), "stale"],
      ["confirmCancel", (lease) => world.jobs.confirmCancel(lease), "stale"],
      ["adopt", (lease) => world.jobs.adopt(lease.jobId, lease.fence, 2, leaseMs), "stale"],
    ];

    it.each(writers)("an old attempt cannot %s after the job was swept", async (_name, write, refusal) => {
      const old = await world.claimNew();
      await world.clock.advance(leaseMs);
      await world.jobs.sweep();
      const before = await world.jobs.get(old.jobId);
      expect(await write(old)).toBe(refusal);
      expect(await world.jobs.get(old.jobId)).toEqual(before);
    });

    it.each(writers)("an old attempt cannot %s after the job was claimed again", async (_name, write, refusal) => {
      const old = await world.claimNew();
      await world.clock.advance(leaseMs);
      await world.jobs.sweep();
      const current = await world.claim();
      expect([current.jobId, current.fence]).toEqual([old.jobId, old.fence + 1]);
      const before = await world.jobs.get(old.jobId);
      expect(await write(old)).toBe(refusal);
      expect(await world.jobs.get(old.jobId)).toEqual(before);
      expect(await world.finish(current)).toBe("ok");
    });

    it.each(writers)("nobody can %s a second time after the commit", async (_name, write, refusal) => {
      const lease = await world.claimNew();
      await world.finish(lease);
      const before = await world.jobs.get(lease.jobId);
      expect(await write(lease)).toBe(refusal);
      expect(await world.jobs.get(lease.jobId)).toEqual(before);
    });

    it("commit, sweep and a new claim at once leave exactly one result", async () => {
      for (let round = 0; round < 50; round += 1) {
        const lease = await world.claimNew();
        await world.clock.advance(leaseMs);
        const steps: (() => Promise<unknown>)[] = [
          () => world.finish(lease),
          () => world.jobs.sweep(),
          () => world.tryClaim({ workerId: "gpu1" }),
        ];
        const first = round % steps.length;
        await Promise.all([...steps.slice(first), ...steps.slice(0, first)].map((step) => step()));
        if ((await world.stateOf(lease.jobId)) === "queued") await world.claim({ workerId: "gpu1" });
        const left = await world.jobs.get(lease.jobId);
        if (left?.state === "running") {
          const holder = { jobId: left.id, fence: left.fence };
          expect(await world.jobs.commit(holder, artifactOf(holder), result)).toBe("ok");
        }
        expect(await world.jobs.get(lease.jobId)).toMatchObject({
          state: "succeeded",
          artifacts: [{ kind: "result" }],
        });
        expect(world.kindsOf(lease.jobId).filter((kind) => kind === "job.succeeded")).toHaveLength(1);
      }
    });

    it("is never reset, not by release, sweep, failure or an operator", async () => {
      const { jobId } = await world.claimNew();
      const fences: number[] = [1];
      const next = async (): Promise<Lease> => {
        const lease = await world.claim();
        fences.push(lease.fence);
        return lease;
      };
      await world.jobs.release({ jobId, fence: 1 }, "draining");
      await next();
      await world.clock.advance(leaseMs);
      await world.jobs.sweep();
      await world.jobs.fail(await next(), world.failure(suspectedDeath));
      await world.jobs.fail(await next(), world.failure(suspectedDeath));
      expect(await world.jobs.requeue(jobId, "operator:local")).toBe("ok");
      await next();
      expect(fences).toEqual([1, 2, 3, 4, 5]);
    });
  });

  describe("the end of an attempt", () => {
    it("a commit ends the job with result, artifact, thumbnail and attempt in one", async () => {
      const lease = await world.claimNew();
      await world.clock.advance(secondMs);
      const thumbnail = artifactOf(lease, "thumbnail");
      expect(await world.jobs.commit(lease, artifactOf(lease), result, thumbnail)).toBe("ok");
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "succeeded",
        endedAtMs: world.clock.nowMs(),
        errorCode: null,
        result,
        artifacts: [
          { ...artifactOf(lease), servedBy, createdAtMs: world.clock.nowMs() },
          { ...thumbnail, servedBy },
        ],
        attemptList: [{ fence: 1, workerId: "gpu0", outcome: "succeeded", endedAtMs: world.clock.nowMs() }],
      });
    });

    it("an error that may pass is tried again until the attempts are used up", async () => {
      await world.reopen({ maxAttempts: 3 });
      await world.submit();
      const answers: string[] = [];
      for (let index = 0; index < 3; index += 1)
        answers.push(await world.jobs.fail(await world.claim(), world.failure()));
      expect(answers).toEqual(["retry", "retry", "failed"]);
      const [view] = (await world.jobs.list({ limit: 1 })).jobs;
      expect(view).toMatchObject({
        state: "failed",
        attempts: 3,
        errorCode: "GPU_OUT_OF_MEMORY",
        errorMessage: "It failed in each of 3 attempts; the last time: the card was full",
      });
      expect(view?.attemptList.map(({ fence, outcome, code }) => [fence, outcome, code])).toEqual([
        [1, "error", "GPU_OUT_OF_MEMORY"],
        [2, "error", "GPU_OUT_OF_MEMORY"],
        [3, "error", "GPU_OUT_OF_MEMORY"],
      ]);
    });

    it("an error that cannot pass ends the job at once", async () => {
      const lease = await world.claimNew();
      expect(await world.jobs.fail(lease, world.failure({ isRetryable: false, code: "MODEL_FILE_CORRUPT" }))).toBe(
        "failed",
      );
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "failed",
        errorCode: "MODEL_FILE_CORRUPT",
        endedAtMs: world.clock.nowMs(),
      });
    });

    it("two deaths of workers set the job aside", async () => {
      await world.submit();
      expect(await world.jobs.fail(await world.claim(), world.failure(suspectedDeath))).toBe("retry");
      const lease = await world.claim();
      expect(await world.jobs.fail(lease, world.failure(suspectedDeath))).toBe("quarantined");
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "quarantined",
        deaths: 2,
        errorCode: "JOB_QUARANTINED",
      });
      expect(await world.tryClaim()).toBeNull();
    });

    it("deaths that differ do not set the job aside before its attempts are used up", async () => {
      const id = await world.submit();
      const answers: string[] = [];
      for (const signature of ["crashBySignal: #", "workerExit: #", "crashBySignal: #"])
        answers.push(await world.jobs.fail(await world.claim(), world.failure({ ...suspectedDeath, signature })));
      expect(answers).toEqual(["retry", "retry", "quarantined"]);
      expect(await world.jobs.get(id)).toMatchObject({ deaths: 3, errorCode: "JOB_QUARANTINED" });
    });

    it("losses of the host are not charged to the job, and never end it", async () => {
      await world.submit();
      const answers: string[] = [];
      for (let index = 0; index < 20; index += 1) {
        const lease = await world.claim();
        expect([lease.attempt, lease.hostLosses]).toEqual([1, index]);
        answers.push(await world.jobs.fail(lease, world.failure({ kind: "hostLoss" })));
      }
      expect(new Set(answers)).toEqual(new Set(["retry"]));
      const [view] = (await world.jobs.list({ limit: 1 })).jobs;
      expect(view).toMatchObject({ state: "queued", attempts: 0, deaths: 0, hostLosses: 20, suspicion: null });
    });
  });

  describe("a new supervisor", () => {
    it("adopts a running attempt under its fence, also after its lease ran out, and releases the others", async () => {
      const [kept, lost] = [await world.claimNew(), await world.claimNew()];
      await world.clock.advance(hourMs);
      const adopted = await world.jobs.adopt(kept.jobId, kept.fence, 2, leaseMs);
      expect(adopted).toMatchObject({
        jobId: kept.jobId,
        fence: 1,
        attempt: 1,
        untilMs: world.clock.nowMs() + leaseMs,
      });
      expect(await world.jobs.releaseOlderEpochs(2)).toEqual([lost.jobId]);
      expect(await world.jobs.sweep()).toMatchObject({ requeued: [] });
      expect(await world.jobs.get(lost.jobId)).toMatchObject({ state: "queued", attempts: 0 });
      expect(await world.finish(kept)).toBe("ok");
    });

    it("is told `stale` for an attempt that ended, and for a job that is unknown", async () => {
      const lease = await world.claimNew();
      await world.finish(lease);
      expect(await world.jobs.adopt(lease.jobId, lease.fence, 2, leaseMs)).toBe("stale");
      expect(await world.jobs.adopt("job-unknown", 1, 2, leaseMs)).toBe("stale");
    });

    it("sees in the adopted lease that a cancel was asked for", async () => {
      const lease = await world.claimNew();
      await world.jobs.cancel(lease.jobId, "client:local");
      expect(await world.jobs.adopt(lease.jobId, lease.fence, 2, leaseMs)).toMatchObject({ isCancelRequested: true });
    });
  });
}
