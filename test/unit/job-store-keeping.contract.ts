/**
 * Contract tests of a job store: what operators may do, what is deleted and when, and that the timeline tells of it.
 */
import { describe, expect, it } from "vitest";
import type { Lease } from "../../src/core/job.ts";
import type { Retention } from "../../src/core/ports/job-store.ts";
import { dayMs } from "../../src/core/units.ts";
import { artifactOf, type JobStoreWorld, leaseMs, result, standInBy, suspectedDeath } from "./job-store-world.ts";

/** What is kept and told: operators, retention, the timeline. */
export function describeKeeping(world: JobStoreWorld): void {
  describe("an operator", () => {
    it("releases a job from quarantine with a fresh budget and a fresh deadline", async () => {
      await world.submit();
      for (let index = 0; index < 2; index += 1)
        await world.jobs.fail(await world.claim(), world.failure(suspectedDeath));
      const [set] = (await world.jobs.list({ limit: 1, states: ["quarantined"] })).jobs;
      if (set === undefined) throw new Error("no job was set aside");
      await world.clock.advance(2 * dayMs);
      expect(await world.jobs.requeue(set.id, "operator:local")).toBe("ok");
      expect(await world.jobs.get(set.id)).toMatchObject({
        state: "queued",
        attempts: 0,
        deaths: 0,
        hostLosses: 0,
        errorCode: null,
        endedAtMs: null,
      });
      expect(await world.jobs.sweep()).toMatchObject({ expired: [] });
      expect(await world.jobs.fail(await world.claim(), world.failure(suspectedDeath))).toBe("retry");
      expect(world.rows.find(({ kind }) => kind === "job.requeued")).toMatchObject({
        actor: "operator:local",
        data: { from: "quarantined" },
      });
    });

    it("drops a job from quarantine for good: it stays failed with its evidence, and the retention counts from then", async () => {
      const id = await world.setAside();
      await world.clock.advance(2 * dayMs);
      expect(await world.jobs.drop(id, "operator:local")).toBe("ok");
      expect(await world.jobs.get(id)).toMatchObject({
        state: "failed",
        errorCode: "JOB_QUARANTINED",
        endedAtMs: world.clock.nowMs(),
        attemptList: [{ outcome: "death" }, { outcome: "death", evidence: { freeBytes: 12 } }],
      });
      expect(world.rows.at(-1)).toMatchObject({ kind: "job.dropped", actor: "operator:local", jobId: id });
      expect([await world.jobs.drop(id, "operator:local"), await world.jobs.requeue(id, "operator:local")]).toEqual([
        "refused",
        "refused",
      ]);
    });

    it.each(["requeue", "drop"] as const)("can %s only what was set aside", async (act) => {
      const [queued, lease] = [await world.submit({ priority: -1 }), await world.claimNew()];
      const failed = await world.claimNew({ priority: 1 });
      await world.jobs.fail(failed, world.failure({ isRetryable: false }));
      for (const id of [queued, lease.jobId, failed.jobId])
        expect(await world.jobs[act](id, "operator:local")).toBe("refused");
      await world.finish(lease);
      expect(await world.jobs[act](lease.jobId, "operator:local")).toBe("refused");
      expect(await world.jobs[act]("job-unknown", "operator:local")).toBe("absent");
    });

    it("deletes an ended job with its rows, and is told which files are left; never a living one", async () => {
      const lease = await world.claimNew();
      expect(await world.jobs.remove(lease.jobId, "operator:local")).toEqual({ kind: "refused" });
      await world.finish(lease);
      expect(await world.jobs.remove(lease.jobId, "operator:local")).toMatchObject({
        kind: "removed",
        artifacts: [artifactOf(lease)],
      });
      expect(await world.jobs.get(lease.jobId)).toBeNull();
      expect(await world.jobs.listArtifactNames()).toEqual(new Set());
      expect(await world.jobs.remove(lease.jobId, "operator:local")).toEqual({ kind: "absent" });
      expect(world.rows.at(-1)).toMatchObject({ kind: "job.removed", jobId: lease.jobId, actor: "operator:local" });
    });
  });

  describe("retention", () => {
    const keepAll: Retention = { resultMaxAgeMs: 30 * dayMs, resultMaxBytes: 1e12, standInMaxAgeMs: 30 * dayMs };
    const succeed = async (): Promise<Lease> => {
      const lease = await world.claimNew();
      await world.finish(lease);
      return lease;
    };

    it("deletes old ended jobs and names their files; never one that is owed or set aside", async () => {
      const old = await succeed();
      const poison = await world.submit();
      for (let index = 0; index < 2; index += 1)
        await world.jobs.fail(await world.claim(), world.failure(suspectedDeath));
      const owed = await world.submit({ deadlineAtMs: world.clock.nowMs() + 90 * dayMs });
      await world.clock.advance(31 * dayMs);
      expect(await world.jobs.prune(keepAll)).toEqual({ jobCount: 1, artifactNames: [artifactOf(old).name] });
      expect(await world.jobs.get(old.jobId)).toBeNull();
      expect([await world.stateOf(poison), (await world.jobs.get(owed))?.id]).toEqual(["quarantined", owed]);
      expect(await world.jobs.prune(keepAll)).toEqual({ jobCount: 0, artifactNames: [] });
    });

    it("deletes the oldest results first when they take too much room", async () => {
      const leases: Lease[] = [];
      for (let index = 0; index < 4; index += 1) {
        leases.push(await succeed());
        await world.clock.advance(1);
      }
      const pruned = await world.jobs.prune({ ...keepAll, resultMaxBytes: 2_500 });
      expect(pruned.jobCount).toBe(2);
      expect(pruned.artifactNames.toSorted()).toEqual(leases.slice(0, 2).map((lease) => artifactOf(lease).name));
      expect((await world.jobs.list({ limit: 9 })).jobs.map(({ id }) => id)).toEqual([
        leases[3]?.jobId,
        leases[2]?.jobId,
      ]);
    });

    it("deletes an old stand-in and keeps its job; never the one of a job that is still owed its result", async () => {
      const lease = await world.claimNew();
      const owed = await world.submit();
      for (const jobId of [lease.jobId, owed])
        await world.jobs.attach(jobId, artifactOf({ jobId, fence: 0 }, "stand_in"), {
          servedBy: standInBy,
          reason: "no worker",
        });
      await world.finish(lease);
      await world.clock.advance(8 * dayMs);
      const standIn = artifactOf({ jobId: lease.jobId, fence: 0 }, "stand_in");
      expect(await world.jobs.prune({ ...keepAll, standInMaxAgeMs: 7 * dayMs })).toEqual({
        jobCount: 0,
        artifactNames: [standIn.name],
      });
      expect((await world.jobs.get(lease.jobId))?.artifacts.map(({ kind }) => kind)).toEqual(["result"]);
      expect((await world.jobs.get(owed))?.artifacts.map(({ kind }) => kind)).toEqual(["stand_in"]);
    });
  });

  describe("the timeline", () => {
    it("tells a life in order, each row after it can be read", async () => {
      const readable: boolean[] = [];
      world.store.events.subscribe((written) => {
        const newest = written.at(-1)?.seq ?? 0;
        void world.store.events.newestSeq().then((seq) => readable.push(seq >= newest));
      });
      const lease = await world.claimNew();
      await world.jobs.fail(lease, world.failure());
      await world.finish(await world.claim());
      const kinds = ["job.submitted", "job.claimed", "job.retried", "job.claimed", "job.succeeded"];
      expect(world.kindsOf(lease.jobId)).toEqual(kinds);
      expect((await world.store.events.range(0, 100)).filter((row) => row.jobId === lease.jobId)).toEqual(world.rows);
      expect(world.rows.map(({ seq }) => seq)).toEqual(world.rows.map(({ seq }) => seq).toSorted((a, b) => a - b));
      expect(readable).toEqual(kinds.map(() => true));
    });

    it("says who did it", async () => {
      const id = await world.submit({ apiKeyId: "alice" });
      await world.jobs.cancel(id, "operator:bob");
      expect(world.rows.map(({ kind, actor }) => [kind, actor])).toEqual([
        ["job.submitted", "client:alice"],
        ["job.cancelled", "operator:bob"],
      ]);
    });

    it("what changes nothing writes no row", async () => {
      const lease = await world.claimNew();
      await world.finish(lease);
      const count = world.rows.length;
      await world.jobs.commit(lease, artifactOf(lease), result);
      await world.jobs.cancel(lease.jobId, "client:local");
      await world.jobs.renew(lease, leaseMs);
      await world.jobs.sweep();
      await world.tryClaim();
      expect(world.rows).toHaveLength(count);
    });

    it("never holds a prompt", async () => {
      const lease = await world.claimNew();
      await world.jobs.attach(lease.jobId, artifactOf(lease, "stand_in"), { servedBy: standInBy, reason: "no worker" });
      await world.finish(lease);
      expect(world.rows.length).toBeGreaterThan(3);
      expect(JSON.stringify(world.rows)).not.toContain("heron");
    });
  });
}
