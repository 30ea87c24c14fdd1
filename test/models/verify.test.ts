import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bigPath, ModelWorld, repository, wantedFiles } from "./model-world.ts";

let world: ModelWorld;
let snapshot: string;
beforeEach(async () => {
  world = await ModelWorld.start();
  const outcome = await world.cache.pull(repository);
  if (outcome.kind !== "complete") throw new Error(outcome.kind);
  snapshot = outcome.snapshotPath;
  world.hub.resetCounts();
});
afterEach(() => world.stop());

const blobOf = (path: string): string => realpathSync(join(snapshot, path));

/** One bit, in the middle; size, time of change (to the nanosecond) and inode stay. */
function flipByte(path: string): void {
  const timeKeeper = join(world.folder, "time-keeper");
  writeFileSync(timeKeeper, "");
  execFileSync("touch", ["-r", path, timeKeeper]);
  const bytes = readFileSync(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  execFileSync("touch", ["-r", timeKeeper, path]);
}

describe("a verification", () => {
  it("finds a flipped bit, sets the blob aside, and the next pull fetches that file alone", async () => {
    flipByte(blobOf(bigPath));
    expect(await world.cache.verify(repository)).toMatchObject({ hashedFileCount: 0, problems: [] });
    expect(await world.cache.verify(repository, { isRehash: true })).toMatchObject({
      problems: [{ path: bigPath, kind: "corrupt" }],
    });
    expect(await world.cache.statusOf(repository)).toMatchObject({ state: "incomplete", path: null });
    expect(existsSync(join(snapshot, bigPath))).toBe(false);
    expect(readdirSync(join(world.repositoryFolder, ".understudy")).some((name) => name.endsWith(".corrupt"))).toBe(
      true,
    );
    expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete", fetchedFileCount: 1 });
    expect(new Set(world.hub.served.map(({ path }) => path))).toEqual(new Set([bigPath]));
    expect(world.differences(snapshot)).toEqual([]);
    expect(existsSync(join(world.repositoryFolder, ".understudy"))).toBe(false);
  });

  it("without hashing everything still reads a file that was touched since", async () => {
    const path = blobOf("vae/model.safetensors");
    const bytes = readFileSync(path);
    writeFileSync(path, bytes);
    utimesSync(path, 1_000_000, 1_000_000);
    expect(await world.cache.localPath(repository)).toBeNull();
    expect(await world.cache.verify(repository)).toMatchObject({ hashedFileCount: 1, problems: [] });
    expect(await world.cache.localPath(repository)).toBe(snapshot);
  });

  it("finds other bytes under a file's name though the blob is right, and a repair brings the name back", async () => {
    const path = join(snapshot, bigPath);
    rmSync(path);
    writeFileSync(path, Buffer.alloc(300_000));
    expect(await world.cache.verify(repository, { isRehash: true })).toMatchObject({
      problems: [{ path: bigPath, kind: "corrupt" }],
    });
    expect(existsSync(path)).toBe(false);
    expect(await world.cache.pull(repository, { isRepair: true })).toMatchObject({
      kind: "complete",
      fetchedFileCount: 0,
    });
    expect(world.differences(snapshot)).toEqual([]);
  });

  it("misses a file that is gone", async () => {
    rmSync(blobOf("model_index.json"));
    expect(await world.cache.verify(repository)).toMatchObject({
      problems: [{ path: "model_index.json", kind: "missing" }],
    });
    expect(await world.cache.localPath(repository)).toBeNull();
  });

  it("says that it knows nothing of a model that was never pulled", async () => {
    expect(await world.cache.verify("T2V-A14B", { isRehash: true })).toMatchObject({ isKnown: false, fileCount: 0 });
  });

  it("hashes again what it once knew when its memory is lost or torn", async () => {
    writeFileSync(join(world.stateDir, "models", "test-org--tiny-wan.json"), '{"version": 1, "pulls"');
    expect(await world.cache.localPath(repository)).toBeNull();
    expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete", fetchedFileCount: 0 });
    expect(world.hub.bytesServed()).toBe(0);
    expect(await world.cache.localPath(repository)).toBe(snapshot);
  });
});

describe("a repair", () => {
  it("stays at the commit of the last pull and needs no hub where nothing is wrong", async () => {
    const far = world.openCache({ endpoint: "http://127.0.0.1:9" });
    expect(await far.pull(repository, { isRepair: true })).toMatchObject({
      kind: "complete",
      fetchedFileCount: 0,
      snapshotPath: snapshot,
    });
  });

  it("fetches what is missing", async () => {
    rmSync(blobOf(bigPath));
    expect(await world.cache.pull(repository, { isRepair: true })).toMatchObject({
      kind: "complete",
      fetchedFileCount: 1,
    });
    expect(world.differences(snapshot)).toEqual([]);
  });
});

describe("a removal", () => {
  it("deletes every file of the model and what was known of it", async () => {
    await world.cache.remove(repository);
    expect(existsSync(world.repositoryFolder)).toBe(false);
    expect(await world.cache.statusOf(repository)).toMatchObject({
      state: "absent",
      presentBytes: 0,
      totalBytes: null,
    });
    expect(readdirSync(join(world.stateDir, "models"))).toEqual([]);
  });
});

it("blobs made by others are checked before they count: a wrong one is fetched, a right one is not", async () => {
  await world.cache.remove(repository);
  await world.cache.pull(repository);
  flipByte(blobOf("vae/model.safetensors"));
  rmSync(world.stateDir, { recursive: true });
  world.hub.resetCounts();
  expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete", fetchedFileCount: 1 });
  expect(world.hub.bytesServed()).toBe(wantedFiles["vae/model.safetensors"]?.length);
  expect(world.differences(snapshot)).toEqual([]);
});
