import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kibibyte, mebibyte } from "../../src/core/units.ts";
import { bigPath, ModelWorld, repository, testLimits, wantedFiles } from "./model-world.ts";

const pullerPath = new URL("../fixtures/model-puller.ts", import.meta.url).pathname;
const bigBytes = wantedFiles[bigPath]?.length ?? 0;

let world: ModelWorld;
let child: ChildProcess | undefined;
beforeEach(async () => {
  world = await ModelWorld.start();
});
afterEach(async () => {
  child?.kill("SIGKILL");
  child = undefined;
  await world.stop();
});

function startPuller(partBytes = testLimits.partBytes): ChildProcess {
  const args = [pullerPath, world.hub.endpoint, world.cacheDir, world.stateDir, repository, String(partBytes)];
  child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return child;
}

async function kill(puller: ChildProcess): Promise<void> {
  const exited = once(puller, "exit");
  puller.kill("SIGKILL");
  await exited;
}

const complete = async (): Promise<string> => {
  const outcome = await world.cache.pull(repository);
  if (outcome.kind !== "complete") throw new Error(outcome.kind);
  return outcome.snapshotPath;
};

describe("a pull whose process is killed in mid-file", () => {
  const partBytes = 512 * kibibyte;
  // Slow enough that next to nothing waits in sockets: what the hub has sent, the puller has received.
  const trickle = { kind: "slow", path: bigPath, bytesPerSecond: 128 * kibibyte } as const;

  it("fetches at most one part again, and its lock is free at once", async () => {
    world.hub.add(trickle);
    const puller = startPuller(partBytes);
    await world.until("a third of the big file", () => world.hub.bytesServed(bigPath) > bigBytes / 3);
    await kill(puller);
    expect(existsSync(join(world.repositoryFolder, "refs", "main"))).toBe(false);
    world.hub.clearFaults();
    expect(world.differences(await complete())).toEqual([]);
    expect(world.hub.bytesServed(bigPath) - bigBytes).toBeLessThanOrEqual(partBytes);
    // A file that was whole before the kill is not fetched again.
    expect(world.hub.bytesServed("model_index.json")).toBe(wantedFiles["model_index.json"]?.length);
  });

  it("comes to its end when it is killed again and again", async () => {
    world.hub.add(trickle);
    for (let round = 1; round <= 3; round += 1) {
      const puller = startPuller(partBytes);
      await world.until(`the bytes of round ${round}`, () => world.hub.bytesServed(bigPath) > (bigBytes * round) / 8);
      await kill(puller);
    }
    world.hub.clearFaults();
    expect(world.differences(await complete())).toEqual([]);
    expect(world.hub.bytesServed(bigPath) - bigBytes).toBeLessThanOrEqual(3 * partBytes);
  });
});

describe("two pulls of one model at once", () => {
  it("in two processes: the second is refused in a sentence that names the first, and finds all when that has ended", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte });
    const puller = startPuller();
    const exited = once(puller, "exit");
    await world.until("the first bytes", () => world.hub.bytesServed(bigPath) > 0);
    await expect(world.cache.pull(repository)).rejects.toMatchObject({
      code: "MODEL_BUSY",
      message: expect.stringContaining(`Process ${puller.pid} downloads`),
    });
    world.hub.clearFaults();
    await exited;
    const outcome = await world.cache.pull(repository);
    expect(outcome).toMatchObject({ kind: "complete", fetchedFileCount: 0 });
  });

  it("in one process are one", async () => {
    const [first, second] = await Promise.all([world.cache.pull(repository), world.cache.pull(repository)]);
    expect(second).toEqual(first);
    expect(world.hub.bytesServed(bigPath)).toBe(bigBytes);
  });
});

describe("a pull", () => {
  it("rests when it is paused and goes on with what came", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte });
    const pulling = world.cache.pull(repository);
    await world.until("half a MiB", () => (world.cache.progressOf(repository)?.doneBytes ?? 0) > mebibyte / 2);
    expect(await world.cache.pause(repository)).toBe(true);
    expect(await pulling).toEqual({ kind: "paused" });
    const status = await world.cache.statusOf(repository);
    expect(status).toMatchObject({ state: "paused", path: null });
    expect(status.presentBytes).toBeGreaterThan(mebibyte / 2);
    world.hub.clearFaults();
    world.hub.resetCounts();
    expect(await world.cache.resume(repository)).toMatchObject({ kind: "complete" });
    expect(world.hub.bytesServed()).toBeLessThan((status.totalBytes ?? 0) - mebibyte / 2);
    expect(await world.cache.statusOf(repository)).toMatchObject({
      state: "complete",
      presentBytes: status.totalBytes,
    });
  });

  it("that is cancelled leaves no half file", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte });
    const pulling = world.cache.pull(repository);
    await world.until("bytes of the big file", () => world.hub.bytesServed(bigPath) > 100_000);
    await world.cache.cancel(repository);
    expect(await pulling).toEqual({ kind: "cancelled" });
    expect(readdirSync(world.repositoryFolder)).not.toContain(".understudy");
    world.hub.clearFaults();
    expect(world.differences(await complete())).toEqual([]);
  });

  it("begins a file anew when its manifest is torn or its part is gone", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte });
    for (const damage of [
      (path: string) => writeFileSync(path, '{"version": 1, "si'),
      (path: string) => rmSync(path.replace(/\.json$/, ".part")),
    ]) {
      const pulling = world.cache.pull(repository);
      await world.until("bytes", () => (world.cache.progressOf(repository)?.doneBytes ?? 0) > 200_000);
      await world.cache.pause(repository);
      await pulling;
      const work = join(world.repositoryFolder, ".understudy");
      for (const name of readdirSync(work).filter((one) => one.endsWith(".json"))) damage(join(work, name));
    }
    world.hub.clearFaults();
    expect(world.differences(await complete())).toEqual([]);
  });

  it("tells of its bytes, rate and files at most four times a second, and of what it waits for", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: 512 * 1_024 });
    world.hub.add({ kind: "status", path: "vae/model.safetensors", status: 503, times: 1 });
    world.hub.add({ kind: "status", path: "vae/copy-of-model.safetensors", status: 503, times: 1 });
    const seen: {
      atMs: number;
      doneBytes: number;
      bytesPerSecond: number;
      etaMs: number | null;
      trouble: string | null;
    }[] = [];
    world.cache.onProgress((_, progress) => seen.push({ atMs: world.clock.nowMs(), ...progress }));
    await world.cache.pull(repository);
    const spanMs = (seen.at(-1)?.atMs ?? 0) - (seen[0]?.atMs ?? 0);
    expect(seen.length).toBeLessThanOrEqual(spanMs / 250 + 2);
    expect(seen.some((one) => one.bytesPerSecond > 0 && one.etaMs !== null && one.etaMs > 0)).toBe(true);
    const total = Object.entries(wantedFiles).reduce(
      (sum, [path, bytes]) => sum + (path.includes("copy-of") ? 0 : bytes.length),
      0,
    );
    expect(world.cache.progressOf(repository)).toBeNull();
    expect(seen.at(-1)).toMatchObject({
      phase: "fetching",
      doneBytes: total,
      totalBytes: total,
      doneFileCount: 7,
      fileCount: 7,
    });
  });
});

describe("a folder of the cache that cannot be written", () => {
  it("is told in one sentence", async () => {
    writeFileSync(join(world.folder, "hub"), "a file where a folder should be");
    await expect(world.cache.pull(repository)).rejects.toMatchObject({ name: "ModelError", code: "SYSTEM_RESOURCE" });
    expect(readFileSync(join(world.folder, "hub"), "utf8")).toContain("a file");
  });
});
