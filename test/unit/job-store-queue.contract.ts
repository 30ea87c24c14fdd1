/** Contract tests of a job store: taking jobs, handing them out in order, and reading them back. */
import { describe, expect, it } from "vitest";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { waitReasonOf } from "../../src/core/wait-reason.ts";
import { classify } from "../../src/recovery/classify.ts";
import { artifactOf, type JobStoreWorld, leaseMs, secretPrompt } from "./job-store-world.ts";

/** Submission, claiming and reading. */
export function describeQueue(world: JobStoreWorld): void {
  describe("submission", () => {
    it("keeps every field of the job", async () => {
      const job = world.newJob({
        priority: 3,
        workflow: '{"nodes":[]}',
        apiKeyId: "alice",
        labels: ["team=b", "a"],
        webhookUrl: "https://example.org/told",
        retryOf: "job-before",
      });
      await world.jobs.submit(job);
      expect(await world.jobs.get(job.id)).toEqual({
        id: job.id,
        state: "queued",
        spec: job.spec,
        apiKeyId: "alice",
        priority: 3,
        fence: 0,
        attempts: 0,
        deaths: 0,
        hostLosses: 0,
        suspicion: null,
        createdAtMs: world.clock.nowMs(),
        startedAtMs: null,
        endedAtMs: null,
        deadlineAtMs: job.deadlineAtMs,
        runAtMs: world.clock.nowMs(),
        workerId: null,
        isCancelRequested: false,
        isSimulated: true,
        errorCode: null,
        errorMessage: null,
        result: null,
        artifacts: [],
        attemptList: [],
        labels: ["a", "team=b"],
        webhookUrl: "https://example.org/told",
        retryOf: "job-before",
      });
    });

    it("gives the first job again for the same idempotency key and body", async () => {
      const id = await world.submit({ key: "k1", body: '{"a":1}' });
      expect(await world.jobs.submit(world.newJob({ key: "k1", body: '{"a":1}' }))).toMatchObject({
        kind: "duplicate",
        job: { id },
      });
      expect((await world.jobs.counts()).queued).toBe(1);
    });

    it("refuses the key with another body, and takes it from another API key", async () => {
      const id = await world.submit({ key: "k1", body: '{"a":1}' });
      expect(await world.jobs.submit(world.newJob({ key: "k1", body: '{"a":2}' }))).toEqual({
        kind: "conflict",
        jobId: id,
      });
      expect(await world.jobs.submit(world.newJob({ key: "k1", body: '{"a":2}', apiKeyId: "bob" }))).toMatchObject({
        kind: "created",
      });
    });

    it("answers a repeated key of one and the same moment with the one job", async () => {
      const answers = await Promise.all([
        world.jobs.submit(world.newJob({ key: "k1" })),
        world.jobs.submit(world.newJob({ key: "k1" })),
      ]);
      expect(answers.map((answer) => answer.kind)).toEqual(["created", "duplicate"]);
      expect(new Set(answers.map((answer) => ("job" in answer ? answer.job.id : "none"))).size).toBe(1);
    });

    it("holds the limit of the queue also within one moment; running jobs do not count", async () => {
      await world.reopen({ maxQueuedJobs: 2 });
      const answers = await Promise.all([1, 2, 3].map(() => world.jobs.submit(world.newJob())));
      expect(answers.map((answer) => answer.kind)).toEqual(["created", "created", "queueFull"]);
      await world.claim();
      expect(await world.jobs.submit(world.newJob())).toMatchObject({ kind: "created" });
      expect(await world.jobs.submit(world.newJob())).toEqual({ kind: "queueFull", limit: 2 });
    });

    it("holds the limit of one API key, and takes jobs of another", async () => {
      await world.reopen({ maxQueuedJobs: 10, maxQueuedJobsPerKey: 2 });
      const answers = await Promise.all([1, 2, 3].map(() => world.jobs.submit(world.newJob({ apiKeyId: "ann" }))));
      expect(answers.map((answer) => answer.kind)).toEqual(["created", "created", "queueFull"]);
      expect(await world.jobs.submit(world.newJob({ apiKeyId: "bob" }))).toMatchObject({ kind: "created" });
    });

    it("answers a repeated key also when the queue is full", async () => {
      await world.reopen({ maxQueuedJobs: 1 });
      const id = await world.submit({ key: "k1" });
      expect(await world.jobs.submit(world.newJob({ key: "k1" }))).toMatchObject({ kind: "duplicate", job: { id } });
    });

    it("a job that cannot be written takes no other of the same moment with it", async () => {
      const first = world.newJob();
      await world.jobs.submit(first);
      const [before, twice, after] = await Promise.allSettled([
        world.jobs.submit(world.newJob()),
        world.jobs.submit(first),
        world.jobs.submit(world.newJob()),
      ]);
      expect([before?.status, twice?.status, after?.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect((await world.jobs.counts()).queued).toBe(3);
    });
  });

  describe("claiming", () => {
    it("hands out by priority, then by age, each job once", async () => {
      const [low, old] = [await world.submit({ priority: 0 }), await world.submit({ priority: 1 })];
      await world.clock.advance(10);
      const young = await world.submit({ priority: 1 });
      expect([await world.claim(), await world.claim(), await world.claim()].map((lease) => lease.jobId)).toEqual([
        old,
        young,
        low,
      ]);
      expect(await world.tryClaim()).toBeNull();
    });

    it("raises the fence and says who holds it until when", async () => {
      const lease = await world.claimNew();
      expect(lease).toMatchObject({
        fence: 1,
        attempt: 1,
        workerId: "gpu0",
        untilMs: world.clock.nowMs() + leaseMs,
        isCancelRequested: false,
      });
      expect(lease.spec.request.prompt).toBe(secretPrompt);
      expect(await world.jobs.get(lease.jobId)).toMatchObject({
        state: "running",
        workerId: "gpu0",
        startedAtMs: world.clock.nowMs(),
      });
    });

    it("gives a worker only models that it has", async () => {
      const id = await world.submit({ model: "TI2V-5B" });
      expect(await world.tryClaim({ models: ["T2V-A14B"] })).toBeNull();
      expect((await world.claim({ models: ["TI2V-5B"] })).jobId).toBe(id);
    });

    it("holds a job back until its time has come", async () => {
      const lease = await world.claimNew();
      await world.jobs.fail(lease, world.failure({ runAtMs: world.clock.nowMs() + minuteMs }));
      expect(await world.tryClaim()).toBeNull();
      await world.clock.advance(minuteMs);
      expect(await world.claim()).toMatchObject({ jobId: lease.jobId, fence: 2, attempt: 2 });
    });

    it("hands out a job at once when what it waited for has come before its time; others wait on", async () => {
      const [first, second] = [world.newJob(), world.newJob()];
      for (const job of [first, second]) await world.jobs.submit(job);
      for (const _job of [first, second]) {
        const lease = await world.claim();
        await world.jobs.release(lease, "it waits", world.clock.nowMs() + minuteMs);
      }
      await world.jobs.hasten([second.id, "job-of-nobody"]);
      expect((await world.claim()).jobId).toBe(second.id);
      expect(await world.tryClaim()).toBeNull();
    });

    it("never hands out a job that is past its deadline", async () => {
      await world.submit({ deadlineAtMs: world.clock.nowMs() + secondMs });
      await world.clock.advance(secondMs);
      expect(await world.tryClaim()).toBeNull();
    });

    it("prefers the resident model, and passes an older job three times at most", async () => {
      const other = await world.submit({ model: "TI2V-5B" });
      await world.clock.advance(1);
      const mine = [await world.submit(), await world.submit(), await world.submit(), await world.submit()];
      const claimed: string[] = [];
      for (let index = 0; index < 5; index += 1) claimed.push((await world.claim({ residentModel: "T2V-A14B" })).jobId);
      expect(claimed).toEqual([mine[0], mine[1], mine[2], other, mine[3]]);
    });

    it("passes an older job for ten minutes at most, and never one of higher priority", async () => {
      const other = await world.submit({ model: "TI2V-5B" });
      await world.clock.advance(10 * minuteMs);
      await world.submit();
      expect((await world.claim({ residentModel: "T2V-A14B" })).jobId).toBe(other);
      const urgent = await world.submit({ model: "TI2V-5B", priority: 1 });
      expect((await world.claim({ residentModel: "T2V-A14B" })).jobId).toBe(urgent);
    });
  });

  describe("reading", () => {
    it("lists newest first, every job once across pages, also when many are of one moment", async () => {
      const ids: string[] = [];
      for (let index = 0; index < 7; index += 1) {
        if (index % 3 === 0) await world.clock.advance(1);
        ids.push(await world.submit());
      }
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await world.jobs.list({ limit: 3, ...(cursor === null ? {} : { cursor }) });
        seen.push(...page.jobs.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== null);
      expect(seen).toEqual(ids.toReversed());
    });

    it("a job that arrives between two pages moves none of the second", async () => {
      for (let index = 0; index < 4; index += 1) await world.submit();
      const first = await world.jobs.list({ limit: 2 });
      await world.clock.advance(1);
      await world.submit();
      const second = await world.jobs.list({ limit: 2, cursor: first.cursor ?? "" });
      expect(new Set([...first.jobs, ...second.jobs].map(({ id }) => id)).size).toBe(4);
      expect(second.cursor).toBeNull();
    });

    it("lists oldest first too, and behind any job in either direction", async () => {
      const ids: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        if (index % 2 === 0) await world.clock.advance(1);
        ids.push(await world.submit());
      }
      const after = (await world.jobs.get(ids[2] ?? "")) ?? undefined;
      if (after === undefined) throw new Error("the job is not there");
      const listed = async (query: { isOldestFirst?: boolean; after?: typeof after }): Promise<string[]> =>
        (await world.jobs.list({ limit: 9, ...query })).jobs.map(({ id }) => id);
      expect(await listed({ isOldestFirst: true })).toEqual(ids);
      expect(await listed({ isOldestFirst: true, after })).toEqual(ids.slice(3));
      expect(await listed({ after })).toEqual(ids.slice(0, 2).toReversed());
      expect((await world.jobs.list({ limit: 4, isOldestFirst: true })).cursor).not.toBeNull();
    });

    it("knows how many go before a job, as they are claimed: priority, then age", async () => {
      const [first, second] = [await world.submit(), await world.submit()];
      const urgent = await world.submit({ priority: 5 });
      const ahead = async (id: string): Promise<number | null | undefined> =>
        (await world.jobs.standingOf(id))?.aheadCount;
      expect([await ahead(urgent), await ahead(first), await ahead(second)]).toEqual([0, 1, 2]);
      await world.claim();
      expect([await ahead(urgent), await ahead(first), await ahead(second)]).toEqual([null, 0, 1]);
      expect(await world.jobs.standingOf("job-unknown")).toBeNull();
    });

    it("counts suspects behind everybody, among each other by when they are due", async () => {
      const [late, soon] = [await world.claimNew({ priority: 9 }), await world.claimNew()];
      const nowMs = world.clock.nowMs();
      await world.jobs.fail(late, world.failure({ isSuspect: true, signature: "a", runAtMs: nowMs + 2 }));
      await world.jobs.fail(soon, world.failure({ isSuspect: true, signature: "b", runAtMs: nowMs + 1 }));
      const plain = await world.submit({ priority: -5 });
      const ahead = async (id: string) => (await world.jobs.standingOf(id))?.aheadCount;
      expect([await ahead(plain), await ahead(late.jobId), await ahead(soon.jobId)]).toEqual([0, 1, 2]);
    });

    it("tells what holds a job back that was begun before, and whether it is a suspect", async () => {
      const [released, failed] = [await world.claimNew(), await world.claimNew({ fallback: "fail" })];
      const sinceMs = world.clock.nowMs();
      const untilMs = sinceMs + 60_000;
      await world.jobs.release(released, waitReasonOf(untilMs, "it fits nowhere"), untilMs);
      await world.jobs.fail(failed, world.failure({ isSuspect: true, runAtMs: untilMs }));
      const [first, second] = await Promise.all(
        [released, failed].map(async ({ jobId }) => (await world.jobs.openJobs([jobId]))[0]),
      );
      expect(first).toMatchObject({ isSuspect: false, wait: { because: "memoryShort", sinceMs, untilMs } });
      expect(second).toMatchObject({
        isSuspect: true,
        fallback: "fail",
        wait: { because: "backingOff", sinceMs, untilMs },
      });
    });

    it("tells of the jobs that wait or are rendered what others in the queue have to know", async () => {
      const lease = await world.claimNew();
      const waiting = await world.submit({ priority: 3, model: "TI2V-5B" });
      const ended = await world.submit();
      await world.jobs.cancel(ended, "client:a");
      const open = await world.jobs.openJobs(null);
      expect(open.map(({ id, isQueued }) => [id, isQueued]).toSorted()).toEqual(
        [
          [lease.jobId, false],
          [waiting, true],
        ].toSorted(),
      );
      const job = await world.jobs.get(waiting);
      const { model, width, height, frames, steps } = job?.spec.request ?? {};
      expect(await world.jobs.openJobs([ended, waiting])).toEqual([
        {
          ...{ id: waiting, isQueued: true, priority: 3, model, width, height, frames, steps },
          createdAtMs: job?.createdAtMs,
          dueAtMs: job?.runAtMs,
          fallback: "stand_in_then_real",
          isSuspect: false,
          wait: null,
        },
      ]);
    });

    it("names the newest incident that a job had to do with", async () => {
      const lease = await world.claimNew();
      expect(await world.jobs.standingOf(lease.jobId)).toMatchObject({ incidentId: null });
      for (const id of ["incident-1", "incident-2"]) {
        await world.clock.advance(1);
        const openedAtMs = world.clock.nowMs();
        const failureType = "generation_pipeline_error";
        await world.store.incidents.open({
          id,
          key: id,
          openedAtMs,
          failureType,
          workerId: "gpu0",
          firstEvidenceAtMs: null,
          data: { fault: classify({}), model: null, job_id: null },
        });
        await world.jobs.fail(id === "incident-1" ? lease : await world.claim(), world.failure());
      }
      expect(await world.jobs.standingOf(lease.jobId)).toMatchObject({ incidentId: "incident-2" });
    });

    it("filters by state and counts every state", async () => {
      const lease = await world.claimNew();
      const cancelled = await world.submit();
      await world.jobs.cancel(cancelled, "client:local");
      expect((await world.jobs.list({ limit: 9, states: ["running", "cancelled"] })).jobs.map(({ id }) => id)).toEqual([
        cancelled,
        lease.jobId,
      ]);
      expect(await world.jobs.counts()).toEqual({
        queued: 0,
        running: 1,
        succeeded: 0,
        failed: 0,
        cancelled: 1,
        quarantined: 0,
      });
    });

    it("filters by labels, all of which a job must have, by model and by the time of submission", async () => {
      const first = await world.submit({ labels: ["nightly", "team=a"], model: "TI2V-5B" });
      await world.clock.advance(minuteMs);
      const second = await world.submit({ labels: ["nightly"] });
      const atMs = world.clock.nowMs();
      const found = async (query: Partial<Parameters<typeof world.jobs.list>[0]>): Promise<string[]> =>
        (await world.jobs.list({ limit: 9, ...query })).jobs.map(({ id }) => id);
      expect(await found({ labels: ["nightly"] })).toEqual([second, first]);
      expect(await found({ labels: ["nightly", "team=a"] })).toEqual([first]);
      expect(await found({ labels: ["night"] })).toEqual([]);
      expect(await found({ model: "T2V-A14B" })).toEqual([second]);
      expect([await found({ fromMs: atMs }), await found({ fromMs: atMs + 1 })]).toEqual([[second], []]);
      expect([await found({ untilMs: atMs }), await found({ untilMs: atMs - 1 })]).toEqual([[second, first], [first]]);
    });

    it("finds an artifact by its hash", async () => {
      const lease = await world.claimNew();
      await world.finish(lease);
      expect(await world.jobs.findArtifact(artifactOf(lease).sha256)).toMatchObject({
        jobId: lease.jobId,
        artifact: artifactOf(lease),
      });
      expect(await world.jobs.findArtifact("unknown")).toBeNull();
      expect(await world.jobs.listArtifactNames()).toEqual(new Set([artifactOf(lease).name]));
    });
  });
}
