import { describe, expect, it } from "vitest";
import { createJobLines, jobBar } from "../../src/cli/job-progress.ts";
import { type JobDetail, toJobDetail } from "../../src/contract/jobs-wire.ts";
import type { JobProgress } from "../../src/core/job.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { openStore } from "../../src/store/open-store.ts";
import { JobStoreWorld } from "./job-store-world.ts";

/** A job as the service shows it, from a real store. */
async function jobWith(change: Partial<JobDetail>, progress: Partial<JobProgress> | null = null): Promise<JobDetail> {
  const clock = createVirtualClock();
  const world = new JobStoreWorld(() => {
    const store = openStore({ path: ":memory:", clock });
    return { store, clock, close: () => store.close() };
  });
  world.start();
  const { jobId } = await world.claimNew();
  const job = await world.jobs.get(jobId);
  await world.end();
  if (job === null) throw new Error("the job is gone");
  const base = {
    jobId,
    workerId: "gpu0",
    phase: "denoise",
    step: 12,
    of: 40,
    ratio: 0.3,
    atMs: 0,
    etaMs: 8_200,
  } as const;
  return {
    ...toJobDetail(job, {
      progress: progress === null ? null : { ...base, ...progress },
      deliveries: [],
      estimate: "nobody asked",
      outlook: { promised: null, etaMs: null },
    }),
    ...change,
  };
}

describe("the bar of a job that is waited for", () => {
  it("tells share, phase, step and time left, no wider than the terminal", async () => {
    const job = await jobWith({}, {});
    expect(jobBar(job, 80)).toBe("[#######-----------------] 30 %  denoise 12 of 40  about 9 s left");
    expect(jobBar(job, 20)).toHaveLength(20);
  });

  it("names a stand-in as one while the real video is owed", async () => {
    expect(jobBar(await jobWith({ state: "queued", is_mock: true }), 100)).toBe(
      "[------------------------] 0 %  waits for a worker  a stand-in is shown meanwhile",
    );
  });
});

describe("lines of a job that is waited for", () => {
  it("are one for each tenth and each new state", async () => {
    const lineOf = createJobLines();
    const told: (string | null)[] = [];
    for (const ratio of [0.01, 0.05, 0.11, 0.19, 0.2]) told.push(lineOf(await jobWith({}, { ratio, etaMs: null })));
    told.push(
      lineOf(await jobWith({ state: "queued" })),
      lineOf(await jobWith({ state: "queued" })),
      lineOf(await jobWith({ state: "succeeded" })),
    );
    expect(told).toEqual([
      "1 %  denoise 12 of 40",
      null,
      "11 %  denoise 12 of 40",
      null,
      "20 %  denoise 12 of 40",
      "0 %  waits for a worker",
      null,
      "100 %  succeeded",
    ]);
  });
});
