/**
 * A real model cache in a fresh folder against a fake hub, for tests of pulling: every byte that arrives is compared
 * with what the hub has.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createSeededChance } from "../../src/core/chance.ts";
import { createSystemClock } from "../../src/core/clock.ts";
import { createModelCatalog, type ModelCatalog } from "../../src/core/model-catalog.ts";
import type { ModelCache } from "../../src/core/ports/model-cache.ts";
import { kibibyte, mebibyte } from "../../src/core/units.ts";
import { HubClient } from "../../src/models/hub-client.ts";
import { createModelCache } from "../../src/models/model-cache.ts";
import type { PullLimits } from "../../src/models/pull-model.ts";
import { type FakeHub, type FakeHubOptions, startFakeHub } from "../fixtures/fake-hub/fake-hub.ts";

export const repository = "test-org/tiny-wan";
export const emptyPath = "tokenizer/special_tokens.txt";
export const bigPath = "transformer/model-00001-of-00002.safetensors";

/** Quick enough for a test, with the shape of the real ones. */
export const testLimits: PullLimits = {
  connectionCount: 4,
  partBytes: 256 * kibibyte,
  stallMs: 400,
  marginBytes: mebibyte,
  retry: { tryCount: 3, firstMs: 20, factor: 2, longestMs: 60, jitterRatio: 0.2, longestAskedMs: 2_000 },
};

/** The same bytes in every run, different from file to file. */
function bytesOf(seed: number, count: number): Buffer {
  const chance = createSeededChance(seed);
  const block = Buffer.from(Array.from({ length: 4_096 }, () => Math.floor(chance.next() * 256)));
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; at += block.length) {
    block.writeUInt32LE(at, 0);
    block.copy(bytes, at);
  }
  return bytes;
}

/** What a pull is to bring, by path. */
export const wantedFiles: Readonly<Record<string, Buffer>> = {
  "model_index.json": Buffer.from('{"_class_name": "WanPipeline"}'),
  [emptyPath]: Buffer.alloc(0),
  "transformer/config.json": Buffer.from('{"layers": 2}'),
  [bigPath]: bytesOf(1, 2 * mebibyte + 12_345),
  "transformer/model-00002-of-00002.safetensors": bytesOf(2, 700 * kibibyte),
  "vae/model.safetensors": bytesOf(3, 64 * kibibyte),
  "vae/copy-of-model.safetensors": bytesOf(3, 64 * kibibyte),
};

const unwantedFiles: Readonly<Record<string, Buffer>> = {
  "pytorch_model.bin": bytesOf(4, 8_192),
  "assets/example.mp4": bytesOf(5, 8_192),
  "README.md": Buffer.from("# tiny"),
};

export class ModelWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "understudy-models-"));
  readonly clock = createSystemClock();
  readonly hub: FakeHub;
  cache: ModelCache;

  readonly #hubRoot: string;

  private constructor(hub: FakeHub, hubRoot: string) {
    this.hub = hub;
    this.#hubRoot = hubRoot;
    this.cache = this.openCache();
  }

  static async start(options: Partial<FakeHubOptions> = {}): Promise<ModelWorld> {
    const root = mkdtempSync(join(tmpdir(), "understudy-hub-"));
    for (const [path, bytes] of Object.entries({ ...wantedFiles, ...unwantedFiles })) {
      const target = join(root, repository, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, bytes);
    }
    return new ModelWorld(await startFakeHub({ root, clock: createSystemClock(), ...options }), root);
  }

  get cacheDir(): string {
    return join(this.folder, "hub");
  }

  get stateDir(): string {
    return join(this.folder, "state");
  }

  get repositoryFolder(): string {
    return join(this.cacheDir, "models--test-org--tiny-wan");
  }

  openCache(
    change: {
      limits?: Partial<PullLimits>;
      token?: string;
      freeBytes?: number;
      endpoint?: string;
      catalog?: ModelCatalog;
    } = {},
  ): ModelCache {
    const limits = { ...testLimits, ...change.limits };
    const hub = new HubClient(
      { endpoint: change.endpoint ?? this.hub.endpoint, token: change.token ?? null, stallMs: limits.stallMs },
      this.clock,
    );
    const { freeBytes } = change;
    return createModelCache(change.catalog ?? createModelCatalog(), {
      clock: this.clock,
      chance: createSeededChance(1),
      hub,
      cacheDir: this.cacheDir,
      stateDir: this.stateDir,
      limits,
      ...(freeBytes === undefined ? {} : { freeBytes: async () => freeBytes }),
    });
  }

  async stop(): Promise<void> {
    await this.cache.close();
    await this.hub.stop();
    this.clock.stop();
    rmSync(this.#hubRoot, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Waits until it holds; the sentence says what did not. */
  async until(what: string, isSo: () => boolean, limitMs = 10_000): Promise<void> {
    const deadlineMs = this.clock.nowMs() + limitMs;
    while (!isSo()) {
      if (this.clock.nowMs() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.clock.sleep(5);
    }
  }

  /** What is wrong with the snapshot, file by file; empty when every byte is as on the hub. */
  differences(snapshotPath: string): string[] {
    return Object.entries(wantedFiles).flatMap(([path, bytes]) => {
      const found = readFileSync(join(snapshotPath, path));
      return found.equals(bytes)
        ? []
        : [`${path}: ${found.length} of ${bytes.length} bytes, ${createHash("sha256").update(found).digest("hex")}`];
    });
  }
}
