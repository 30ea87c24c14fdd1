/** Contract tests of a job store: what it owes to webhooks, with each message as the job was at its event. */
import { describe, expect, it } from "vitest";
import { dayMs, hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { deliveryIdOf, type WebhookDelivery } from "../../src/core/webhook.ts";
import { artifactOf, type JobOptions, type JobStoreWorld, result, servedBy, standInBy } from "./job-store-world.ts";

const hook: JobOptions = { webhookUrl: "https://example.org/told?token=hidden", labels: ["nightly"] };
const nothingElse = { limit: 9, exceptSeqs: [], exceptOrigins: [] };

/** What webhooks have to be told, from the event to the last try. */
export function describeWebhooks(world: JobStoreWorld): void {
  const due = (): Promise<readonly WebhookDelivery[]> => world.store.webhooks.listDue(nothingElse);
  const standIn = (jobId: string): Promise<string> =>
    world.jobs.attach(jobId, artifactOf({ jobId, fence: 0 }, "stand_in"), { servedBy: standInBy, reason: "no worker" });
  const only = async (): Promise<WebhookDelivery> => {
    const [delivery] = await due();
    if (delivery === undefined) throw new Error("nothing is due");
    return delivery;
  };

  describe("the outbox of webhooks", () => {
    it("tells of the stand-in and of the result, each as the job was then, under the number of its row", async () => {
      const id = await world.submit(hook);
      await standIn(id);
      await world.clock.advance(secondMs);
      await world.finish(await world.claim());
      const seqOf = (kind: string): number | undefined => world.rows.find((row) => row.kind === kind)?.seq;
      expect(await due()).toMatchObject([
        {
          seq: seqOf("job.stoodIn"),
          jobId: id,
          type: "job.stand_in_ready",
          url: hook.webhookUrl,
          state: "pending",
          tryCount: 0,
          facts: {
            state: "queued",
            labels: ["nightly"],
            servedBy: standInBy,
            artifact: { kind: "stand_in" },
            reason: "no worker",
            error: null,
          },
        },
        {
          seq: seqOf("job.succeeded"),
          type: "job.succeeded",
          occurredAtMs: world.clock.nowMs(),
          facts: {
            state: "succeeded",
            isSimulated: true,
            servedBy,
            changes: result.changes,
            artifact: { kind: "result" },
            reason: null,
          },
        },
      ]);
    });

    it("says which stand-in a job ended with that wanted nothing else", async () => {
      const id = await world.submit({ ...hook, fallback: "stand_in" });
      await standIn(id);
      await world.jobs.endQueued(id, { kind: "stoodIn", result: { ...result, servedBy: standInBy } });
      expect((await due()).map(({ type, facts }) => [type, facts.servedBy?.kind, facts.artifact?.kind])).toEqual([
        ["job.stand_in_ready", "stand_in", "stand_in"],
        ["job.succeeded", "stand_in", "stand_in"],
      ]);
    });

    it.each<[string, string, () => Promise<unknown>]>([
      [
        "an error",
        "GPU_OUT_OF_MEMORY",
        async () => world.jobs.fail(await world.claimNew(hook), world.failure({ isRetryable: false })),
      ],
      ["quarantine", "JOB_QUARANTINED", () => world.setAside(hook)],
      [
        "its deadline",
        "JOB_DEADLINE_EXCEEDED",
        async () => {
          await world.submit({ ...hook, deadlineAtMs: world.clock.nowMs() + 1 });
          await world.clock.advance(1);
          await world.jobs.sweep();
        },
      ],
      [
        "want of a real route",
        "NO_REAL_ROUTE",
        async () =>
          world.jobs.endQueued(await world.submit(hook), {
            kind: "failed",
            code: "NO_REAL_ROUTE",
            message: "no worker",
          }),
      ],
    ])("tells of a failure by %s", async (_name, code, fail) => {
      await fail();
      expect(await due()).toMatchObject([
        { type: "job.failed", facts: { artifact: null, error: { code, message: expect.stringMatching(/./) } } },
      ]);
    });

    it("holds nothing for a job without a webhook, a cancelled job and a try that is repeated", async () => {
      await world.finish(await world.claimNew());
      await world.jobs.cancel(await world.submit(hook), "client:local");
      await world.jobs.fail(await world.claimNew(hook), world.failure());
      expect([await due(), await world.store.webhooks.nextDueAtMs(nothingElse)]).toEqual([[], null]);
    });

    it("is tried again when its time has come, and counts; delivered, it is told no more", async () => {
      await world.finish(await world.claimNew(hook));
      const { seq, jobId } = await only();
      const retryAtMs = world.clock.nowMs() + minuteMs;
      await world.store.webhooks.noteTry(seq, { kind: "failed", status: 500, problem: "it answered 500", retryAtMs });
      expect([await due(), await world.store.webhooks.nextDueAtMs(nothingElse)]).toEqual([[], retryAtMs]);
      await world.clock.advance(minuteMs);
      expect(await only()).toMatchObject({ tryCount: 1, lastStatus: 500, lastProblem: "it answered 500" });
      await world.store.webhooks.noteTry(seq, { kind: "delivered", status: 204 });
      expect(await due()).toEqual([]);
      const end = {
        state: "delivered",
        tryCount: 2,
        lastStatus: 204,
        lastProblem: null,
        endedAtMs: world.clock.nowMs(),
      };
      expect(await world.store.webhooks.listOf(jobId)).toMatchObject([end]);
      expect(world.rows.at(-1)).toMatchObject({
        kind: "webhook.delivered",
        jobId,
        data: { type: "job.succeeded", tries: 2 },
      });
    });

    it("given up, it stays with its reason, and no later try changes it", async () => {
      await world.finish(await world.claimNew(hook));
      const { seq, jobId } = await only();
      await world.store.webhooks.noteTry(seq, { kind: "dead", status: null, problem: "nobody answers" });
      await world.store.webhooks.noteTry(seq, { kind: "delivered", status: 200 });
      expect(await world.store.webhooks.listOf(jobId)).toMatchObject([
        { state: "dead", tryCount: 1, lastProblem: "nobody answers" },
      ]);
      expect(world.rows.at(-1)).toMatchObject({
        kind: "webhook.abandoned",
        jobId,
        data: { problem: "nobody answers" },
      });
      expect(JSON.stringify(world.rows)).not.toContain("hidden");
    });

    it("leaves out what is under way and whose receiver is busy, and gives the longest due first", async () => {
      const finish = async (webhookUrl: string): Promise<void> => {
        await world.finish(await world.claimNew({ webhookUrl }));
        await world.clock.advance(1);
      };
      for (const url of ["https://a.example/1", "https://b.example/2", "https://a.example:444/3"]) await finish(url);
      const [first, second, third] = await due();
      expect([first?.url, second?.url, third?.url]).toEqual([
        "https://a.example/1",
        "https://b.example/2",
        "https://a.example:444/3",
      ]);
      const except = { exceptSeqs: [second?.seq ?? 0], exceptOrigins: ["https://a.example"] };
      expect((await world.store.webhooks.listDue({ limit: 9, ...except })).map(({ seq }) => seq)).toEqual([third?.seq]);
      expect(await world.store.webhooks.nextDueAtMs(except)).toBe(third?.nextTryAtMs);
      expect(await world.store.webhooks.listDue({ ...nothingElse, limit: 1 })).toHaveLength(1);
    });

    it("keeps its job until it is told, whatever the retention says, and goes with a job that is deleted", async () => {
      const lease = await world.claimNew(hook);
      await world.finish(lease);
      await world.clock.advance(hourMs);
      const retention = { resultMaxAgeMs: 1, resultMaxBytes: 0, standInMaxAgeMs: dayMs };
      expect(await world.jobs.prune(retention)).toMatchObject({ jobCount: 0 });
      await world.store.webhooks.noteTry((await only()).seq, { kind: "delivered", status: 200 });
      expect(await world.jobs.prune(retention)).toMatchObject({ jobCount: 1 });
      expect(await world.store.webhooks.listOf(lease.jobId)).toEqual([]);
    });

    it("names every delivery once and for ever", async () => {
      await world.finish(await world.claimNew(hook));
      const delivery = await only();
      expect(deliveryIdOf(delivery)).toBe(`${delivery.jobId}.${delivery.seq}`);
    });
  });
}
