/** A download with every hash checked, beside plain fetches of the same bytes, and beside Python's snapshot_download where there is one. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeededChance, createSystemChance } from "../src/core/chance.ts";
import { createSystemClock } from "../src/core/clock.ts";
import { createModelCatalog } from "../src/core/model-catalog.ts";
import { mebibyte } from "../src/core/units.ts";
import { HubClient } from "../src/models/hub-client.ts";
import { createModelCache } from "../src/models/model-cache.ts";
import { installedPython } from "../src/workers/diffusers-command.ts";
import { type BenchResult, medianOf } from "./result.ts";

const runs = 5;
const repository = "bench-org/bench";
/** Three big shards and many small files, as a diffusers repository has them. */
const sizes: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [1, 2, 3].map((shard) => [`transformer/model-0000${shard}-of-00003.safetensors`, 256 * mebibyte]),
  ),
  "vae/model.safetensors": 64 * mebibyte,
  ...Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`tokenizer/part-${index}.json`, 20_000])),
};
const totalBytes = Object.values(sizes).reduce((sum, size) => sum + size, 0);
const clock = createSystemClock();

function writeFiles(root: string): void {
  const chance = createSeededChance(7);
  const block = Buffer.from(Array.from({ length: mebibyte }, () => Math.floor(chance.next() * 256)));
  for (const [path, size] of Object.entries(sizes)) {
    const target = join(root, repository, path);
    mkdirSync(join(target, ".."), { recursive: true });
    const file = openSync(target, "w");
    for (let at = 0; at < size; at += block.length) {
      block.writeUInt32LE(at + path.length, at % 4_096);
      writeSync(file, block, 0, Math.min(block.length, size - at));
    }
  }
}

async function secondsOf(work: () => Promise<void> | void): Promise<number> {
  const startedAtMs = clock.nowMs();
  await work();
  return (clock.nowMs() - startedAtMs) / 1_000;
}

/** The pull runs in a process of its own, as Python's does: both figures include the start of their runtime. */
function pullOurs(endpoint: string, folder: string): void {
  const puller = new URL("./model-download-puller.ts", import.meta.url).pathname;
  execFileSync(process.execPath, [puller, endpoint, folder, repository], { stdio: ["ignore", "ignore", "inherit"] });
}

function pullPython(python: string, endpoint: string, folder: string): void {
  const env = { ...process.env, HF_ENDPOINT: endpoint, HF_HOME: folder, HF_HUB_DISABLE_PROGRESS_BARS: "1" };
  const code = `from huggingface_hub import snapshot_download; snapshot_download(${JSON.stringify(repository)})`;
  execFileSync(python, ["-c", code], { env, stdio: ["ignore", "ignore", "inherit"] });
}

/** One curl writes all files to the disk, one after the other. */
function pullCurl(endpoint: string, folder: string): void {
  const targets = Object.keys(sizes).flatMap((path) => [
    "-o",
    join(folder, path.replaceAll("/", "_")),
    `${endpoint}/${repository}/resolve/main/${path}`,
  ]);
  mkdirSync(folder, { recursive: true });
  execFileSync("curl", ["-sSfL", ...targets], { stdio: ["ignore", "ignore", "inherit"] });
}

/** The cache as the puller process opens it. */
export async function pullOnce(endpoint: string, folder: string, name: string): Promise<void> {
  const cache = createModelCache(createModelCatalog(), {
    clock,
    chance: createSystemChance(),
    hub: new HubClient({ endpoint, token: null, stallMs: 30_000 }, clock),
    cacheDir: join(folder, "hub"),
    stateDir: join(folder, "state"),
    limits: {
      connectionCount: 8,
      partBytes: 64 * mebibyte,
      stallMs: 30_000,
      marginBytes: mebibyte,
      retry: { tryCount: 3, firstMs: 5_000, factor: 2, longestMs: 60_000, jitterRatio: 0.2, longestAskedMs: 60_000 },
    },
  });
  const { kind } = await cache.pull(name);
  if (kind !== "complete") throw new Error(kind);
  await cache.close();
}

export async function benchDownload(): Promise<BenchResult[]> {
  const root = mkdtempSync(join(tmpdir(), "understudy-bench-hub-"));
  writeFiles(root);
  const hub = spawn(
    process.execPath,
    [new URL("../test/fixtures/fake-hub/main.ts", import.meta.url).pathname, "--root", root],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [address] = (await once(hub.stdout, "data")) as [Buffer];
  const endpoint = address.toString().trim();
  const python = process.env["UNDERSTUDY_PYTHON"] ?? (existsSync(installedPython) ? installedPython : undefined);
  const seconds: Record<"ours" | "curl" | "python", number[]> = { ours: [], curl: [], python: [] };
  const measure = async (who: keyof typeof seconds, pull: (folder: string) => void): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-bench-"));
    seconds[who].push(await secondsOf(() => pull(folder)));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    // The hub hashes its files at the first question; that is nobody's download.
    await fetch(`${endpoint}/api/models/${repository}/revision/main`);
    for (let run = 0; run < runs; run += 1) {
      await measure("ours", (folder) => pullOurs(endpoint, folder));
      await measure("curl", (folder) => pullCurl(endpoint, folder));
      if (python !== undefined) await measure("python", (folder) => pullPython(python, endpoint, folder));
    }
  } finally {
    hub.kill("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  }
  const words = (who: keyof typeof seconds): string =>
    `${who} ${Math.round(totalBytes / mebibyte / medianOf(seconds[who]))} MiB/s`;
  const ratio = (who: "curl" | "python", limit: number, peer: string): BenchResult => ({
    what: `throughput with hashing ÷ ${peer}`,
    value: medianOf(seconds[who]) / medianOf(seconds.ours),
    unit: "",
    limit: { kind: "atLeast", value: limit },
    detail: `median of ${runs}: ${words("ours")}, ${words(who)}; ${Math.round(totalBytes / mebibyte)} MiB in ${Object.keys(sizes).length} files`,
  });
  const beside = [ratio("curl", 0.3, "one curl without hashing")];
  return python === undefined
    ? beside
    : [...beside, ratio("python", 0.8, "huggingface_hub's snapshot_download without hashing")];
}
