/** What this program pulled, as Python's own library finds it: the same folder, the same revision, and no request. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { installedPython } from "../../src/workers/diffusers-command.ts";
import { ModelWorld, repository, wantedFiles } from "../models/model-world.ts";

let world: ModelWorld;
beforeEach(async () => {
  world = await ModelWorld.start();
});
afterEach(() => world.stop());

/** Not the blocking call: the hub answers in this process. */
async function inPython(script: string, further: Readonly<Record<string, string>> = {}): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    HOME: world.folder,
    HF_HUB_CACHE: world.cacheDir,
    HF_ENDPOINT: world.hub.endpoint,
    ...further,
  };
  const { stdout } = await promisify(execFile)(installedPython, ["-c", script], { env });
  return stdout.trim();
}
const hashes = Object.fromEntries(
  Object.entries(wantedFiles).map(([path, bytes]) => [path, createHash("sha256").update(bytes).digest("hex")]),
);
const readAll = `
import hashlib, json, pathlib, sys
from huggingface_hub import snapshot_download
folder = pathlib.Path(snapshot_download("${repository}", revision="main"))
found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
print(json.dumps({"folder": str(folder), "found": found}))
`;

it("huggingface_hub finds the snapshot without a request, and every byte is the hub's", {
  timeout: 120_000,
}, async () => {
  const pulled = await world.cache.pull(repository);
  if (pulled.kind !== "complete") throw new Error(pulled.kind);
  // Nobody would answer: what is loaded comes from the cache.
  await world.hub.stop();
  const { folder, found } = JSON.parse(await inPython(readAll, { HF_HUB_OFFLINE: "1" })) as {
    folder: string;
    found: object;
  };
  expect(folder).toBe(pulled.snapshotPath);
  expect(found).toEqual(hashes);
});

it("huggingface_hub asks for no byte of a file that is here when it looks for a newer revision", {
  timeout: 120_000,
}, async () => {
  await world.cache.pull(repository);
  world.hub.resetCounts();
  const script = `
from huggingface_hub import snapshot_download
print(snapshot_download("${repository}", allow_patterns=["*.safetensors", "*.json", "tokenizer/*"]))
`;
  expect(await inPython(script)).toContain("snapshots");
  expect(world.hub.bytesServed()).toBe(0);
});

it("a file that huggingface_hub fetched is hashed once here and not fetched again", { timeout: 120_000 }, async () => {
  await inPython(`from huggingface_hub import snapshot_download; snapshot_download("${repository}")`);
  world.hub.resetCounts();
  expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete", fetchedFileCount: 0 });
  expect(world.hub.bytesServed()).toBe(0);
});
