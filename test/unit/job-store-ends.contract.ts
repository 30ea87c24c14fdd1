/** Contract tests of a job store: cancelling, deadlines and ends without a render. */
import { describe, expect, it } from "vitest";
import type { Lease } from "../../src/core/job.ts";
import { secondMs } from "../../src/core/units.ts";
import { artifactOf, type JobStoreWorld, leaseMs, result, standInBy } from "./job-store-world.ts";

/** How jobs end: cancelled, past their deadline, by a stand-in. */
export function describeEnds(world: JobStoreWorld): void {
  describe("cancelling", () => {
    it("ends a queued job at once, and says what it finds otherwise", async () => {
      const id = await world.submit();
      expect(await world.jobs.cancel(id, "client:local")).toBe("cancelled");
      expect(await world.jobs.get(id)).toMatchObject({ state: "cancelled", endedAtMs: world.clock.nowMs() });
      expect(await world.jobs.cancel(id, "client:local")).toBe("ended");
      expect(await world.jobs.cancel("job-unknown", "client:local")).toBe("absent");
    });

    it("asks the holder of a running job, which is cancelled only when its device is free", async () => {
      const lease = await world.claimNew();
      expect(await world.jobs.cancel(lease.jobId, "client:local")).toBe("requested");
      expect(await world.jobs.cancel(lease.jobId, "client:local")).toBe("requested");
      expect(await world.jobs.get(lease.jobId)).toMatchObject({ state: "running", isCancelRequested: true });
      expect(await world.jobs.renew(lease, leaseMs)).toBe("cancel");
      expect(await world.jobs.confirmCancel(lease)).toBe("ok");
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "cancelled",
        attemptList: [{ outcome: "cancelled" }],
      });
      expect(world.kindsOf(lease.jobId)).toEqual([
        "job.submitted",
        "job.claimed",
        "job.cancelRequested",
        "job.cancelled",
      ]);
    });

    it.each<[string, (lease: Lease) => Promise<unknown>]>([
      ["its commit", (lease) => world.finish(lease)],
      ["its failure", (lease) => world.jobs.fail(lease, world.failure({ kind: "death" }))],
      ["its release", (lease) => world.jobs.release(lease, "draining")],
    ])("a requested cancel wins over %s", async (_name, end) => {
      const lease = await world.claimNew();
      await world.jobs.cancel(lease.jobId, "client:local");
      expect(await end(lease)).toBe("cancelled");
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "cancelled",
        artifacts: [],
        result: null,
        deaths: 0,
      });
    });

    it("a requested cancel comes true when the lease runs out or the supervisor has changed, and nothing is requeued", async () => {
      const swept = await world.claimNew();
      await world.jobs.cancel(swept.jobId, "client:local");
      await world.clock.advance(leaseMs);
      expect(await world.jobs.sweep()).toEqual({ requeued: [], expired: [] });
      const left = await world.claimNew();
      await world.jobs.cancel(left.jobId, "client:local");
      expect(await world.jobs.releaseOlderEpochs(2)).toEqual([]);
      expect([await world.stateOf(swept.jobId), await world.stateOf(left.jobId)]).toEqual(["cancelled", "cancelled"]);
    });
  });

  describe("deadlines", () => {
    it("end a queued and a running job, and the holder loses its lease", async () => {
      const deadlineAtMs = world.clock.nowMs() + 10 * secondMs;
      const lease = await world.claimNew({ deadlineAtMs });
      const waiting = await world.submit({ deadlineAtMs });
      await world.clock.advance(10 * secondMs);
      expect((await world.jobs.sweep()).expired.toSorted()).toEqual([lease.jobId, waiting]);
      expect(await world.jobs.renew(lease, leaseMs)).toBe("lost");
      expect(await world.finish(lease)).toBe("stale");
      for (const id of [lease.jobId, waiting]) {
        expect(await world.jobs.get(id)).toMatchObject({ state: "failed", errorCode: "JOB_DEADLINE_EXCEEDED" });
        expect(world.kindsOf(id).at(-1)).toBe("job.expired");
      }
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        attemptList: [{ outcome: "expired", endedAtMs: world.clock.nowMs() }],
      });
    });

    it("leave a delivered stand-in in place", async () => {
      const id = await world.submit({ deadlineAtMs: world.clock.nowMs() + secondMs });
      await world.jobs.attach(id, artifactOf({ jobId: id, fence: 0 }, "stand_in"), {
        servedBy: standInBy,
        reason: "no worker",
      });
      await world.clock.advance(secondMs);
      await world.jobs.sweep();
      expect(await world.jobs.get(id)).toMatchObject({
        state: "failed",
        artifacts: [{ kind: "stand_in", servedBy: standInBy }],
      });
    });

    it("do not make a failure of a job whose owner asked for its end", async () => {
      const lease = await world.claimNew({ deadlineAtMs: world.clock.nowMs() + secondMs });
      await world.jobs.cancel(lease.jobId, "client:local");
      await world.clock.advance(secondMs);
      expect(await world.jobs.sweep()).toMatchObject({ expired: [] });
      expect(await world.jobs.confirmCancel(lease)).toBe("ok");
      expect(await world.stateOf(lease.jobId)).toBe("cancelled");
    });
  });

  describe("stand-ins and thumbnails", () => {
    const about = { servedBy: standInBy, reason: "no worker" };

    it("are attached once, and shown with who made them and why", async () => {
      const id = await world.submit();
      const standIn = artifactOf({ jobId: id, fence: 0 }, "stand_in");
      expect(await world.jobs.attach(id, standIn, about)).toBe("ok");
      expect(await world.jobs.attach(id, standIn, about)).toBe("duplicate");
      expect(await world.jobs.attach("job-unknown", standIn, about)).toBe("absent");
      expect((await world.jobs.get(id))?.artifacts).toEqual([
        { ...standIn, ...about, createdAtMs: world.clock.nowMs() },
      ]);
      expect(world.kindsOf(id)).toEqual(["job.submitted", "job.stoodIn"]);
    });

    it("a stand-in does not stop the real one from coming, which keeps it", async () => {
      const lease = await world.claimNew();
      await world.jobs.attach(lease.jobId, artifactOf(lease, "stand_in"), about);
      expect(await world.finish(lease)).toBe("ok");
      expect((await world.jobs.get(lease.jobId))?.artifacts.map(({ kind }) => kind)).toEqual(["result", "stand_in"]);
    });

    it("a stand-in is refused once the result is there or the job has ended", async () => {
      const lease = await world.claimNew();
      await world.finish(lease);
      const cancelled = await world.submit();
      await world.jobs.cancel(cancelled, "client:local");
      for (const jobId of [lease.jobId, cancelled])
        expect(await world.jobs.attach(jobId, artifactOf({ jobId, fence: 9 }, "stand_in"), about)).toBe("refused");
    });

    it("a result cannot come in without a fence", async () => {
      const id = await world.submit();
      expect(await world.jobs.attach(id, artifactOf({ jobId: id, fence: 0 }), about)).toBe("refused");
      expect((await world.jobs.get(id))?.artifacts).toEqual([]);
    });

    it("the real thumbnail takes the place of the stand-in's", async () => {
      const lease = await world.claimNew();
      await world.jobs.attach(lease.jobId, artifactOf({ ...lease, fence: 0 }, "thumbnail"), {
        servedBy: standInBy,
        reason: null,
      });
      const thumbnail = artifactOf(lease, "thumbnail");
      await world.jobs.commit(lease, artifactOf(lease), result, thumbnail);
      expect((await world.jobs.get(lease.jobId))?.artifacts.find(({ kind }) => kind === "thumbnail")).toMatchObject(
        thumbnail,
      );
    });

    it("are still to be made for queued jobs that did not choose to wait, oldest first", async () => {
      const [first, waits, served, second, running] = [
        await world.submit(),
        await world.submit({ fallback: "wait" }),
        await world.submit(),
        await world.submit({ fallback: "fail" }),
        await world.submit({ priority: 9 }),
      ];
      expect((await world.claim()).jobId).toBe(running);
      await world.jobs.attach(served, artifactOf({ jobId: served, fence: 0 }, "stand_in"), about);
      const ids = async (limit: number): Promise<string[]> =>
        (await world.jobs.listAwaitingStandIn(limit, { models: ["T2V-A14B", "TI2V-5B"], jobIds: [] })).map(
          ({ id }) => id,
        );
      expect(await ids(10)).toEqual([first, second]);
      const of = async (...models: string[]): Promise<number> =>
        (await world.jobs.listAwaitingStandIn(10, { models, jobIds: [] })).length;
      expect([await of("T2V-A14B"), await of("TI2V-5B"), await of()]).toEqual([2, 0, 0]);
      expect(await ids(1)).toEqual([first]);
      const named = await world.jobs.listAwaitingStandIn(10, { models: [], jobIds: [second, waits, served, running] });
      expect(named.map(({ id }) => id)).toEqual([second]);
      // Who simply waits, and who wants a failure, sees no stand-in.
      const seen = {
        withCount: 1,
        withoutCount: 1,
        newestName: artifactOf({ jobId: served, fence: 0 }, "stand_in").name,
      };
      expect(await world.jobs.standInsSeen(["T2V-A14B", "TI2V-5B"], 0)).toEqual(seen);
      expect(await world.jobs.standInsSeen(["of-nobody"], 0)).toEqual({
        withCount: 0,
        withoutCount: 0,
        newestName: null,
      });
      expect(await ids(10)).not.toContain(waits);
    });

    it("end a queued job only with a stand-in that is there", async () => {
      const id = await world.submit({ fallback: "stand_in" });
      const end = { kind: "stoodIn", result: { ...result, servedBy: standInBy } } as const;
      expect(await world.jobs.endQueued(id, end)).toBe("refused");
      await world.jobs.attach(id, artifactOf({ jobId: id, fence: 0 }, "stand_in"), about);
      expect(await world.jobs.endQueued(id, end)).toBe("ok");
      expect(await world.jobs.get(id)).toMatchObject({
        state: "succeeded",
        result: { servedBy: { kind: "stand_in" } },
      });
      expect(await world.jobs.endQueued(id, end)).toBe("refused");
    });

    it("a job that does not want to wait fails with the reason, unless it runs", async () => {
      const running = await world.claimNew({ fallback: "fail" });
      const id = await world.submit({ fallback: "fail" });
      const end = { kind: "failed", code: "NO_REAL_ROUTE", message: "no worker" } as const;
      expect(await world.jobs.endQueued(id, end)).toBe("ok");
      expect(await world.jobs.get(id)).toMatchObject({
        state: "failed",
        errorCode: "NO_REAL_ROUTE",
        errorMessage: "no worker",
      });
      expect(await world.jobs.endQueued(running.jobId, end)).toBe("refused");
      expect(await world.jobs.endQueued("job-unknown", end)).toBe("absent");
    });
  });
}
