import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactRef } from "../../src/core/job.ts";
import type { ArtifactFiles } from "../../src/core/ports/artifact-files.ts";
import { hourMs, mebibyte } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { createArtifactFiles } from "../../src/store/artifact-files.ts";
import { createDiskGauge } from "../../src/store/disk-gauge.ts";

let stateDir: string;
let clock: VirtualClock;
let files: ArtifactFiles;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "understudy-test-"));
  clock = createVirtualClock();
  files = createArtifactFiles({ stateDir, clock });
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const content = Buffer.from("a film of twenty-six bytes");
const about = { jobId: "job-1", fence: 3, kind: "result", mimeType: "video/mp4" } as const;

function stage(jobId = "job-1", fence = 3): string {
  const path = files.stagingPath(jobId, fence, "result");
  writeFileSync(path, content);
  return path;
}
/** As if the file had last been written that long before now. */
function age(path: string, ageMs: number): void {
  const atSeconds = (clock.nowMs() - ageMs) / 1_000;
  utimesSync(path, atSeconds, atSeconds);
}
async function readAll(artifact: ArtifactRef, range?: { start: number; end: number }): Promise<string> {
  return new Response(files.read(artifact, range)).text();
}

describe("publishing", () => {
  it("gives the file a name of hash, job and fence, and the truth about its bytes", async () => {
    const sha256 = createHash("sha256").update(content).digest("hex");
    const artifact = await files.publish(stage(), about);
    const name = `${sha256.slice(0, 2)}/${sha256}-job-1-3.mp4`;
    expect(artifact).toEqual({ kind: "result", sha256, bytes: content.length, mimeType: "video/mp4", name });
    expect(files.pathOf(artifact)).toBe(join(stateDir, "artifacts", name));
    expect(await readAll(artifact)).toBe(content.toString());
    expect(await readAll(artifact, { start: 2, end: 5 })).toBe("film");
  });

  it("can be done again until the staged file is discarded, with the same artifact", async () => {
    const staged = stage();
    const first = await files.publish(staged, about);
    expect(await files.publish(staged, about)).toEqual(first);
    await files.discardStaged(staged);
    await files.discardStaged(staged);
    expect(existsSync(staged)).toBe(false);
    expect(await readAll(first)).toBe(content.toString());
  });

  it("keeps attempts of one job apart, also when they made the same bytes", async () => {
    const first = await files.publish(stage(), about);
    const second = await files.publish(stage("job-1", 4), { ...about, fence: 4 });
    await files.remove(first.name);
    expect(await readAll(second)).toBe(content.toString());
  });

  it("of a file that is not there can be tried again", async () => {
    await expect(files.publish(files.stagingPath("job-1", 3, "result"), about)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      retryable: true,
      cause: { code: "ENOENT" },
    });
  });

  it("refuses a file from elsewhere, and a link that leads elsewhere", async () => {
    const foreign = join(stateDir, "secret.txt");
    writeFileSync(foreign, "a secret");
    await expect(files.publish(foreign, about)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(
      files.publish(join(stateDir, "artifacts", "staging", "..", "..", "secret.txt"), about),
    ).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    const staged = files.stagingPath("job-1", 3, "result");
    symlinkSync(foreign, staged);
    await expect(files.publish(staged, about)).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      cause: { code: "ELOOP" },
    });
    expect(readFileSync(foreign, "utf8")).toBe("a secret");
  });
});

describe("names", () => {
  const named = (name: string): ArtifactRef => ({ kind: "result", sha256: "", bytes: 0, mimeType: "video/mp4", name });

  it.each(["../understudy.db", "/etc/passwd", "aa/../../understudy.db", ""])("%j leads nowhere", async (name) => {
    expect(() => files.pathOf(named(name))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(() => files.read(named(name))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  });

  it.each(["../job", "a/b", "", ".", "-rf", "a".repeat(129)])("a job id %j makes no path", (jobId) => {
    expect(() => files.stagingPath(jobId, 1, "result")).toThrow(expect.objectContaining({ code: "JOB_NOT_FOUND" }));
    expect(() => files.checkpointDir(jobId)).toThrow(expect.objectContaining({ code: "JOB_NOT_FOUND" }));
  });
});

describe("after a crash", () => {
  it("a file that was never published is not visible, and is swept when it is old", async () => {
    const staged = stage();
    age(staged, hourMs - 1);
    expect(await files.sweepOrphans(new Set(), hourMs)).toBe(0);
    age(staged, hourMs);
    expect(await files.sweepOrphans(new Set(), hourMs)).toBe(1);
    expect(existsSync(staged)).toBe(false);
  });

  it("a published file that no row names is swept when it is old; a named one never", async () => {
    const named = await files.publish(stage("job-1"), about);
    const orphan = await files.publish(stage("job-2"), { ...about, jobId: "job-2" });
    for (const path of [files.pathOf(named), files.pathOf(orphan)]) age(path, 30 * hourMs);
    for (const jobId of ["job-1", "job-2"]) await files.discardStaged(files.stagingPath(jobId, 3, "result"));
    expect(await files.sweepOrphans(new Set([named.name]), hourMs)).toBe(1);
    expect([existsSync(files.pathOf(named)), existsSync(files.pathOf(orphan))]).toEqual([true, false]);
  });

  it("a result that waited long for its supervisor is young when it is published", async () => {
    const staged = stage();
    age(staged, 30 * hourMs);
    const artifact = await files.publish(staged, about);
    expect(await files.sweepOrphans(new Set(), hourMs)).toBe(0);
    expect(await readAll(artifact)).toBe(content.toString());
  });

  it("checkpoints stay until their job has ended", async () => {
    const [mine, other] = [files.checkpointDir("job-1"), files.checkpointDir("job-2")];
    for (const path of [mine, other]) {
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, "step-5.json"), "{}");
      age(join(path, "step-5.json"), 30 * hourMs);
    }
    await files.sweepOrphans(new Set(), hourMs);
    await files.removeCheckpoints("job-1");
    await files.removeCheckpoints("job-1");
    expect([existsSync(mine), existsSync(join(other, "step-5.json"))]).toEqual([false, true]);
  });

  it("removing twice is removing once", async () => {
    const artifact = await files.publish(stage(), about);
    await files.remove(artifact.name);
    await files.remove(artifact.name);
    expect(existsSync(files.pathOf(artifact))).toBe(false);
  });
});

describe("the disk gauge", () => {
  const ballastPath = (): string => join(stateDir, "ballast");

  it("holds space that it gives up once and takes again", async () => {
    const gauge = createDiskGauge({ stateDir, ballastBytes: 3 * mebibyte + 17 });
    expect(gauge.releaseBallast()).toBe(false);
    await gauge.restoreBallast();
    const { size, blocks } = statSync(ballastPath());
    expect(size).toBe(3 * mebibyte + 17);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    expect(gauge.releaseBallast()).toBe(true);
    expect(existsSync(ballastPath())).toBe(false);
    expect(gauge.releaseBallast()).toBe(false);
    await gauge.restoreBallast();
    expect(statSync(ballastPath()).size).toBe(size);
  });

  it("finishes a ballast that a crash left half made", async () => {
    writeFileSync(ballastPath(), "half");
    await createDiskGauge({ stateDir, ballastBytes: mebibyte }).restoreBallast();
    expect(statSync(ballastPath()).size).toBe(mebibyte);
  });

  it("makes none where there is no room for it, or where none is wanted", async () => {
    await createDiskGauge({ stateDir, ballastBytes: 0 }).restoreBallast();
    const gauge = createDiskGauge({ stateDir, ballastBytes: Number.MAX_SAFE_INTEGER });
    await gauge.restoreBallast();
    expect(existsSync(ballastPath())).toBe(false);
    expect(await gauge.freeBytes()).toBeGreaterThan(0);
  });
});
