import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bigPath, ModelWorld, repository, wantedFiles } from "./model-world.ts";

let world: ModelWorld;
beforeEach(async () => {
  world = await ModelWorld.start({ pageSize: 3 });
});
afterEach(() => world.stop());

const pulled = async (): Promise<string> => {
  const outcome = await world.cache.pull(repository);
  if (outcome.kind !== "complete") throw new Error(outcome.kind);
  return outcome.snapshotPath;
};

describe("a pull", () => {
  it("brings every wanted file over all pages of the listing, and no pickle", async () => {
    const path = await pulled();
    expect(world.differences(path)).toEqual([]);
    const names = readdirSync(path, { recursive: true, encoding: "utf8" }).filter(
      (name) => !lstatSync(join(path, name)).isDirectory(),
    );
    expect(names.toSorted()).toEqual(Object.keys(wantedFiles).toSorted());
  });

  it("leaves the layout of huggingface_hub: blobs by hash, links from the snapshot, the commit in refs", async () => {
    const path = await pulled();
    const commit = readFileSync(join(world.repositoryFolder, "refs", "main"), "utf8");
    expect(path).toBe(join(world.repositoryFolder, "snapshots", commit));
    const link = readlinkSync(join(path, bigPath));
    expect(link).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(readlinkSync(join(path, "model_index.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(readdirSync(world.repositoryFolder).toSorted()).toEqual(["blobs", "refs", "snapshots"]);
    // Two paths with the same bytes share one.
    expect(readdirSync(join(world.repositoryFolder, "blobs"))).toHaveLength(Object.keys(wantedFiles).length - 1);
  });

  it("fetches nothing and hashes nothing the second time", async () => {
    await pulled();
    world.hub.resetCounts();
    const outcome = await world.cache.pull(repository);
    expect(outcome).toMatchObject({ kind: "complete", fetchedFileCount: 0 });
    expect(world.hub.bytesServed()).toBe(0);
    expect(await world.cache.verify(repository)).toMatchObject({ hashedFileCount: 0, problems: [] });
  });
});
