import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSystemClock, type SystemClock } from "../../src/core/clock.ts";
import type { ArtifactFiles } from "../../src/core/ports/artifact-files.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import type { Media } from "../../src/core/ports/media.ts";
import { dayMs } from "../../src/core/units.ts";
import { makeGenericStandIn, makeStandIn } from "../../src/jobs/make-stand-in.ts";
import { createMediaClient } from "../../src/media/media-client.ts";
import { createArtifactFiles } from "../../src/store/artifact-files.ts";
import { openStore } from "../../src/store/open-store.ts";
import { makeJob } from "./job-store-world.ts";

let stateDir: string;
let clock: SystemClock;
let store: Store;
let artifacts: ArtifactFiles;
let media: Media;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "understudy-test-"));
  clock = createSystemClock();
  store = openStore({ path: ":memory:", clock });
  artifacts = createArtifactFiles({ stateDir, clock });
  media = createMediaClient({ clock });
});
afterEach(async () => {
  await media.stop();
  await store.close();
  clock.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

describe("the generic stand-in", () => {
  it("serves every job without taking space, outlives the sweep and the end of a job, and is made once", async () => {
    await makeGenericStandIn({ artifacts, media });
    const { ino } = statSync(artifacts.genericStandInPath);
    const ports = { jobs: store.jobs, artifacts, media, clock };
    const ids = [];
    for (const fallback of ["stand_in_then_real", "stand_in"] as const) {
      const job = makeJob(clock.nowMs() + dayMs, { fallback });
      await store.jobs.submit(job);
      const view = await store.jobs.get(job.id);
      if (view === null) throw new Error("the job is gone");
      const made = await makeStandIn(ports, view, "the disk is full", "generic");
      if (made.artifact === null) throw new Error("no stand-in was attached");
      const path = artifacts.pathOf(made.artifact);
      expect(statSync(path).ino).toBe(ino);
      expect(await media.probe(path)).toMatchObject({ plays: true, isBlack: false, isConstant: false });
      ids.push(job.id);
    }
    expect(await Promise.all(ids.map(async (id) => (await store.jobs.get(id))?.state))).toEqual([
      "queued",
      "succeeded",
    ]);
    await artifacts.sweepOrphans(new Set(), 0);
    expect(existsSync(artifacts.genericStandInPath)).toBe(true);
    await makeGenericStandIn({ artifacts, media });
    expect(statSync(artifacts.genericStandInPath)).toMatchObject({ ino });
  });
});
