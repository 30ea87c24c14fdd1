import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CommitNeeds, commitRender } from "../../../src/app/rendering/commit.ts";
import { MediaError, StoreError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/job.ts";
import type { ArtifactFiles } from "../../../src/core/ports/artifact-files.ts";
import type { ArtifactProbe, Media } from "../../../src/core/ports/media.ts";
import type { RenderReport } from "../../../src/core/ports/worker.ts";
import { hourMs, minuteMs, secondMs } from "../../../src/core/units.ts";
import type { CommitFact } from "../../../src/machines/pipeline-types.ts";
import { silentLogger } from "../../harness/silent-logger.ts";
import { artifactOf, claimOf, leaseMs, leaseOf, makeJob } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld } from "../app-world.ts";

let world: AppWorld;
let clock: AppWorld["clock"];
let store: AppWorld["store"];
let lease: Lease;
let facts: CommitFact[];
/** Jobs whose checkpoints were removed. */
let removed: string[];

beforeEach(async () => {
  world = await createAppWorld({ lease: `${leaseMs}ms` });
  ({ clock, store } = world);
  facts = [];
  removed = [];
  await store.jobs.submit(makeJob(clock.nowMs() + 24 * hourMs));
  lease = leaseOf(await store.jobs.claim(claimOf({ leaseMs })));
});
afterEach(() => store.close());

const sound: ArtifactProbe = {
  plays: true,
  width: 832,
  height: 480,
  frames: 81,
  durationSeconds: 5,
  isBlack: false,
  isConstant: false,
  problem: null,
};
const report = (): RenderReport => ({
  jobId: lease.jobId,
  fence: lease.fence,
  outputPath: "staged.mp4",
  frames: 81,
  renderedWidth: 832,
  renderedHeight: 480,
  stepsRendered: 40,
  resumedFromStep: 0,
  renderMs: 9_000,
  peakBytes: 0,
  heldBytes: 0,
});

/** The service's parts around a real store, with a disk and a media child that do as told. */
function partsWith(change: { refuseUntilMs?: number; media?: Partial<Media> } = {}): CommitNeeds {
  const { refuseUntilMs = 0 } = change;
  const startMs = clock.nowMs();
  const artifacts: ArtifactFiles = {
    ...world.artifacts,
    publish: async (_path, about) => {
      if (clock.nowMs() - startMs < refuseUntilMs) throw new StoreError("DISK_FULL", "no room", { retryable: true });
      return artifactOf(about, about.kind);
    },
    removeCheckpoints: async (jobId) => void removed.push(jobId),
  };
  const media: Media = {
    ...world.media,
    probe: async () => sound,
    renderThumbnail: async () => undefined,
    ...change.media,
  };
  return { ...world, artifacts, media };
}

const begin = (parts: CommitNeeds): (() => void) =>
  commitRender(parts, { workerId: "gpu0", lease, report: report() }, (fact) => facts.push(fact));
const state = async (): Promise<string | undefined> => (await store.jobs.get(lease.jobId))?.state;

describe("committing a finished render", () => {
  it("commits it once and says so", async () => {
    begin(partsWith());
    await clock.advance(secondMs);
    expect(facts).toEqual([{ type: "artifact.committed", jobId: lease.jobId }]);
    expect(await state()).toBe("succeeded");
  });

  it("ends a job that was cancelled meanwhile as that, and keeps no checkpoint of it", async () => {
    begin(partsWith({ refuseUntilMs: 20 * secondMs }));
    await clock.advance(5 * secondMs);
    expect(await store.jobs.cancel(lease.jobId, "client:a")).toBe("requested");
    await clock.advance(minuteMs);
    expect(facts).toMatchObject([{ type: "artifact.refused", problem: "cancelled", fault: null }]);
    expect(await state()).toBe("cancelled");
    expect(removed).toEqual([lease.jobId]);
  });

  it("waits for a disk that has no room, keeps the lease meanwhile, and commits the same render", async () => {
    begin(partsWith({ refuseUntilMs: 3 * minuteMs }));
    await clock.advance(2 * minuteMs);
    expect(facts).toEqual([]);
    expect(await store.jobs.sweep()).toEqual({ requeued: [], expired: [] });
    await clock.advance(2 * minuteMs);
    expect(facts).toEqual([{ type: "artifact.committed", jobId: lease.jobId }]);
    expect(await store.jobs.get(lease.jobId)).toMatchObject({ state: "succeeded", fence: lease.fence });
  });

  it("gives the job back when the disk has no room for ten minutes", async () => {
    begin(partsWith({ refuseUntilMs: hourMs }));
    await clock.advance(11 * minuteMs);
    expect(facts).toMatchObject([{ type: "artifact.refused", fault: null }]);
    expect(await state()).toBe("queued");
  });

  it("keeps a file that is not what was asked for, forgets its checkpoints, and ends the job at the second of its kind", async () => {
    const black = partsWith({ media: { probe: async () => ({ ...sound, isBlack: true }) } });
    begin(black);
    await clock.advance(2 * secondMs);
    expect(facts).toMatchObject([{ type: "artifact.refused", fault: { code: "OUTPUT_INVALID" } }]);
    expect(await store.jobs.get(lease.jobId)).toMatchObject({
      state: "queued",
      artifacts: [{ kind: "rejected", reason: "is black in every sampled frame" }],
    });
    expect(removed).toEqual([lease.jobId]);
    lease = leaseOf(await store.jobs.claim(claimOf({ workerId: "gpu1", leaseMs })));
    begin(black);
    await clock.advance(2 * secondMs);
    expect(await store.jobs.get(lease.jobId)).toMatchObject({ state: "failed", errorCode: "OUTPUT_INVALID" });
  });

  it("ends as soon as the fence is lost, and leaves the job to the attempt that has it", async () => {
    begin(partsWith({ refuseUntilMs: hourMs }));
    await clock.advance(5 * secondMs);
    await store.jobs.release(lease, "taken by another");
    const next = leaseOf(await store.jobs.claim(claimOf({ workerId: "gpu1", epoch: 2, leaseMs })));
    await clock.advance(leaseMs);
    expect(facts).toMatchObject([{ type: "artifact.refused" }]);
    expect(await store.jobs.get(lease.jobId)).toMatchObject({ state: "running", fence: next.fence });
  });

  it("says nothing more and gives nothing back once it was given up, so that the next start takes the result up", async () => {
    const giveUp = begin(partsWith({ refuseUntilMs: hourMs }));
    await clock.advance(5 * secondMs);
    giveUp();
    await clock.advance(10 * secondMs);
    expect(facts).toEqual([]);
    expect(await store.jobs.get(lease.jobId)).toMatchObject({ state: "running", fence: lease.fence });
  });

  it("writes no error about a check that ended because the service stops", async () => {
    const errors: object[] = [];
    let endCheck = (): void => undefined;
    const probe = (): Promise<ArtifactProbe> =>
      new Promise((_, reject) => {
        endCheck = () => reject(new MediaError("DRAINING", "the media child was stopped"));
      });
    const giveUp = begin({
      ...partsWith({ media: { probe } }),
      logger: { ...silentLogger, error: (line) => errors.push(line) },
    });
    await clock.advance(secondMs);
    giveUp();
    endCheck();
    await clock.advance(secondMs);
    expect({ errors, facts, state: await state() }).toEqual({ errors: [], facts: [], state: "running" });
  });

  it("counts a video without a thumbnail when none can be made", async () => {
    const renderThumbnail = () => Promise.reject(new MediaError("OUTPUT_INVALID", "no room for a picture"));
    begin(partsWith({ media: { renderThumbnail } }));
    await clock.advance(secondMs);
    const job = await store.jobs.get(lease.jobId);
    expect([job?.state, job?.artifacts.map(({ kind }) => kind)]).toEqual(["succeeded", ["result"]]);
  });

  it("refuses a file that is not the video that was asked for, and the job is tried again", async () => {
    begin(partsWith({ media: { probe: async () => ({ ...sound, isBlack: true }) } }));
    await clock.advance(secondMs);
    expect(facts).toMatchObject([
      { type: "artifact.refused", problem: "is black in every sampled frame", fault: { code: "OUTPUT_INVALID" } },
    ]);
    expect(await state()).toBe("queued");
  });
});
