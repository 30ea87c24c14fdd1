/** Contract tests of a job store: jobs that may be the cause of their own failures. */
import { describe, expect, it } from "vitest";
import type { AttemptFailure, Lease } from "../../src/core/job.ts";
import type { ClaimRequest } from "../../src/core/ports/job-store.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { artifactOf, type JobStoreWorld, suspectedDeath } from "./job-store-world.ts";

const signature = "unknown: The size of tensor a (#) must match";
const other = { id: "gpu1", models: ["T2V-A14B"] } as const;

/** Who may render a suspect again, what ends it, and how it is acquitted. */
export function describeSuspects(world: JobStoreWorld): void {
  const suspected = (change: Partial<AttemptFailure> = {}): AttemptFailure =>
    world.failure({ code: "WORKER_ERROR", isSuspect: true, signature, ...change });
  /** A job that failed once on gpu0; a second passes, so that a process may begin after it. */
  async function suspect(change: Partial<AttemptFailure> = {}): Promise<string> {
    const lease = await world.claimNew();
    expect(await world.jobs.fail(lease, suspected(change))).toBe("retry");
    await world.clock.advance(secondMs);
    return lease.jobId;
  }
  const old: Partial<ClaimRequest> = { processBeganAtMs: 0 };

  describe("a suspect", () => {
    it("is shown as one, with the failure that speaks against it", async () => {
      const atMs = world.clock.nowMs();
      const id = await suspect();
      expect(await world.jobs.get(id)).toMatchObject({
        state: "queued",
        attempts: 1,
        suspicion: { signature, workerId: "gpu0", atMs },
        attemptList: [{ outcome: "error", signature }],
      });
      expect(world.rows.at(-1)).toMatchObject({ kind: "job.retried", data: { signature, suspect: true } });
    });

    it("waits behind every other job, also one of lower priority that came later", async () => {
      const lease = await world.claimNew({ priority: 9 });
      await world.jobs.fail(lease, suspected());
      const [first, second] = [await world.submit({ priority: 1 }), await world.submit()];
      const order = [await world.claim(), await world.claim(), await world.claim()].map(({ jobId }) => jobId);
      expect(order).toEqual([first, second, lease.jobId]);
    });

    it("is left to another worker that offers its model, for ten minutes", async () => {
      const id = await suspect();
      expect(await world.ask({ otherWorkers: [other] })).toEqual({ kind: "none" });
      expect(await world.ask({ otherWorkers: [{ ...other, models: ["TI2V-5B"] }] })).toMatchObject({ kind: "claimed" });
      await world.jobs.release({ jobId: id, fence: 2 }, "not now");
      expect(await world.claim({ ...old, workerId: "gpu1" })).toMatchObject({ jobId: id });
      await world.jobs.release({ jobId: id, fence: 3 }, "not now");
      await world.clock.advance(10 * minuteMs);
      expect(await world.claim({ otherWorkers: [other] })).toMatchObject({ jobId: id });
    });

    it("is tried again on its own worker only in a process that began after its failure", async () => {
      const id = await suspect();
      const failedAtMs = world.clock.nowMs() - secondMs;
      for (const processBeganAtMs of [0, failedAtMs])
        expect(await world.ask({ processBeganAtMs })).toEqual({ kind: "wantsFreshProcess", jobId: id });
      expect(await world.stateOf(id)).toBe("queued");
      expect(await world.claim({ processBeganAtMs: failedAtMs + 1 })).toMatchObject({ jobId: id, attempt: 2 });
    });

    it("asks for no fresh process while another job waits for the worker, or another suspect can be tried", async () => {
      const here = await suspect();
      const elsewhere = await world.claim({ workerId: "gpu0" }).then(async (lease: Lease) => {
        await world.jobs.release(lease, "not now");
        const next = await world.submit();
        const claimed = await world.claim({ workerId: "gpu1" });
        expect(claimed.jobId).toBe(next);
        await world.jobs.fail(claimed, suspected());
        return next;
      });
      const plain = await world.submit();
      expect(await world.claim(old)).toMatchObject({ jobId: plain });
      expect(await world.claim(old)).toMatchObject({ jobId: elsewhere });
      expect(await world.ask(old)).toEqual({ kind: "wantsFreshProcess", jobId: here });
    });

    it("waits for its time before it asks for anything", async () => {
      await suspect({ runAtMs: world.clock.nowMs() + minuteMs });
      expect(await world.ask(old)).toEqual({ kind: "none" });
      expect(await world.jobs.nextDueAtMs(["T2V-A14B"], world.clock.nowMs())).not.toBeNull();
    });
  });

  describe("the second failure of a suspect", () => {
    it.each<[string, Partial<ClaimRequest>]>([
      ["on another worker", { ...old, workerId: "gpu1" }],
      ["in a fresh process", {}],
    ])("%s, of the same signature, ends it with the code of its class", async (_, where) => {
      const id = await suspect();
      expect(await world.jobs.fail(await world.claim(where), suspected())).toBe("failed");
      expect(await world.jobs.get(id)).toMatchObject({ state: "failed", attempts: 2, errorCode: "WORKER_ERROR" });
    });

    it("ends it with the code that is given for the end, and every attempt keeps its own", async () => {
      const id = await suspect({ endCode: "JOB_UNRENDERABLE", evidence: { decided_by: "first" } });
      const second = suspected({ endCode: "JOB_UNRENDERABLE", evidence: { decided_by: "second" } });
      expect(await world.jobs.fail(await world.claim(), second)).toBe("failed");
      expect(await world.jobs.get(id)).toMatchObject({
        errorCode: "JOB_UNRENDERABLE",
        attemptList: [
          { code: "WORKER_ERROR", signature, evidence: { decided_by: "first" } },
          { code: "WORKER_ERROR", signature, evidence: { decided_by: "second" } },
        ],
      });
      expect(world.rows.at(-1)).toMatchObject({ kind: "job.failed", data: { code: "JOB_UNRENDERABLE", attempts: 2 } });
    });

    it("in the same process says nothing new: the third charged attempt ends it", async () => {
      const id = await suspect();
      await world.clock.advance(10 * minuteMs);
      const again = { ...old, workerId: "gpu1" };
      expect(await world.jobs.fail(await world.claim(again), suspected({ signature: "another" }))).toBe("retry");
      expect(await world.jobs.fail(await world.claim(), suspected())).toBe("failed");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 3, errorCode: "WORKER_ERROR" });
    });

    it("of another signature makes that one speak against it", async () => {
      const id = await suspect();
      expect(await world.jobs.fail(await world.claim(), suspected({ signature: "another" }))).toBe("retry");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 2, suspicion: { signature: "another" } });
    });

    it("that was not its own doing leaves the suspicion as it was", async () => {
      const id = await suspect();
      const before = (await world.jobs.get(id))?.suspicion;
      expect(await world.jobs.fail(await world.claim(), suspected({ kind: "hostLoss", isSuspect: false }))).toBe(
        "retry",
      );
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 1, hostLosses: 1, suspicion: before });
    });
  });

  describe("a file that was refused", () => {
    const refused = (lease: Lease): AttemptFailure =>
      suspected({ code: "OUTPUT_INVALID", message: "is black", rejected: artifactOf(lease, "rejected") });

    it("is kept with the job as what it is, the newest alone, and never as a result", async () => {
      const first = await world.claimNew();
      expect(await world.jobs.fail(first, refused(first))).toBe("retry");
      const second = await world.claim();
      expect(await world.jobs.fail(second, refused(second))).toBe("failed");
      expect(await world.jobs.get(first.jobId)).toMatchObject({
        state: "failed",
        errorCode: "OUTPUT_INVALID",
        result: null,
        artifacts: [{ ...artifactOf(second, "rejected"), servedBy: null, reason: "is black" }],
      });
      expect(await world.jobs.listArtifactNames()).toEqual(new Set([artifactOf(second, "rejected").name]));
    });

    it("is gone when the job has its result", async () => {
      const first = await world.claimNew();
      await world.jobs.fail(first, refused(first));
      expect(await world.finish(await world.claim())).toBe("ok");
      expect((await world.jobs.get(first.jobId))?.artifacts.map(({ kind }) => kind)).toEqual(["result"]);
    });

    it("goes with its job by age", async () => {
      const first = await world.claimNew();
      await world.jobs.fail(first, { ...refused(first), isRetryable: false });
      await world.clock.advance(hourMs);
      const pruned = await world.jobs.prune({
        resultMaxAgeMs: minuteMs,
        resultMaxBytes: 1e9,
        standInMaxAgeMs: minuteMs,
      });
      expect(pruned).toEqual({ jobCount: 1, artifactNames: [artifactOf(first, "rejected").name] });
    });
  });

  describe("an acquittal", () => {
    it("takes the suspicion away, gives one attempt back, and lets the job be claimed at once", async () => {
      const id = await suspect({ runAtMs: world.clock.nowMs() + 5 * minuteMs });
      expect(await world.tryClaim()).toBeNull();
      await world.jobs.acquit([id, "job-unknown"], "atOnce");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 0, suspicion: null });
      expect(world.rows.at(-1)).toMatchObject({ kind: "job.acquitted", jobId: id, data: { signature, attempts: 0 } });
      expect(await world.claim(old)).toMatchObject({ jobId: id, attempt: 1 });
    });

    it("of a size that did not fit takes the suspicion away, and leaves the job its wait", async () => {
      const runAtMs = world.clock.nowMs() + 5 * minuteMs;
      const id = await suspect({ runAtMs });
      await world.jobs.acquit([id], "inItsTime");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 0, suspicion: null });
      expect(await world.tryClaim()).toBeNull();
      expect(await world.jobs.nextDueAtMs(["T2V-A14B"], world.clock.nowMs())).toBe(runAtMs);
    });

    it("gives nothing back where nothing was charged", async () => {
      const id = await suspect({ signature: "another" });
      const uncharged = suspected({ kind: "hostLoss" });
      expect(await world.jobs.fail(await world.claim(), uncharged)).toBe("retry");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 1, hostLosses: 1, suspicion: { signature } });
      await world.jobs.acquit([id], "atOnce");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 1, suspicion: null });
    });

    it("says and changes nothing where nothing speaks against the job, or it has ended", async () => {
      const ended = await suspect();
      await world.jobs.cancel(ended, "client:local");
      const plain = await world.claimNew();
      await world.jobs.fail(plain, world.failure());
      const before = [await world.jobs.get(plain.jobId), await world.jobs.get(ended)];
      await world.jobs.acquit([plain.jobId, ended], "atOnce");
      expect([await world.jobs.get(plain.jobId), await world.jobs.get(ended)]).toEqual(before);
      expect(world.rows.some(({ kind }) => kind === "job.acquitted")).toBe(false);
    });

    it("reaches a job that is rendered again meanwhile, and its lease goes on", async () => {
      const id = await suspect();
      const lease = await world.claim();
      await world.jobs.acquit([id], "atOnce");
      expect(await world.jobs.get(id)).toMatchObject({ state: "running", attempts: 0, suspicion: null });
      expect(await world.jobs.fail(lease, suspected())).toBe("retry");
    });

    it("by an operator's requeue a job begins anew", async () => {
      const id = await world.submit();
      for (const answer of ["retry", "quarantined"])
        expect(await world.jobs.fail(await world.claim(), suspected(suspectedDeath))).toBe(answer);
      await world.jobs.requeue(id, "operator:local");
      expect(await world.jobs.get(id)).toMatchObject({ attempts: 0, deaths: 0, suspicion: null });
      expect(await world.jobs.fail(await world.claim(), suspected(suspectedDeath))).toBe("retry");
    });
  });

  describe("earlier failures of a job", () => {
    const lost = (): AttemptFailure => suspected({ kind: "hostLoss", isSuspect: false });
    const in0 = { processBeganAtMs: 1 };

    it("are counted by processes, this attempt's own and other signatures left out", async () => {
      await world.submit();
      await world.jobs.fail(await world.claim(in0), lost());
      const second = await world.claim(in0);
      expect(await world.jobs.earlierAlike(second, signature)).toMatchObject({ processCount: 0 });
      await world.jobs.fail(second, lost());
      const third = await world.claim({ ...in0, workerId: "gpu1" });
      expect(await world.jobs.earlierAlike(third, signature)).toEqual({ processCount: 1, hasOtherSucceeded: false });
      expect(await world.jobs.earlierAlike(third, "another")).toEqual({ processCount: 0, hasOtherSucceeded: false });
      await world.jobs.fail(third, lost());
      const fourth = await world.claim({ processBeganAtMs: 2 });
      expect(await world.jobs.earlierAlike(fourth, signature)).toMatchObject({ processCount: 2 });
    });

    it("tell whether its worker rendered another job since", async () => {
      const runAtMs = world.clock.nowMs() + minuteMs;
      const id = await world.submit();
      await world.jobs.fail(await world.claim(in0), { ...lost(), runAtMs });
      await world.clock.advance(secondMs);
      await world.submit();
      expect(await world.finish(await world.claim(in0))).toBe("ok");
      await world.clock.advance(minuteMs);
      const again = await world.claim({ processBeganAtMs: 2 });
      expect(again.jobId).toBe(id);
      expect(await world.jobs.earlierAlike(again, signature)).toEqual({ processCount: 1, hasOtherSucceeded: true });
    });
  });

  describe("jobs that failed alike", () => {
    it("are found by the signature of attempts that ended since then, each once", async () => {
      const first = await suspect();
      const betweenMs = world.clock.nowMs();
      const second = await world.claimNew();
      await world.jobs.fail(second, suspected());
      const third = await world.claimNew();
      await world.jobs.fail(third, suspected({ signature: "another" }));
      await world.jobs.acquit([first], "atOnce");
      expect(await world.jobs.jobsFailedAlike(signature, 0)).toEqual([first, second.jobId]);
      expect(await world.jobs.jobsFailedAlike(signature, betweenMs)).toEqual([second.jobId]);
      expect(await world.jobs.jobsFailedAlike("nobody's", 0)).toEqual([]);
    });
  });
}
