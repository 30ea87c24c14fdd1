import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { PullRetry } from "../../src/core/ports/model-cache.ts";
import { kibibyte, mebibyte } from "../../src/core/units.ts";
import { parseRegistry } from "../../src/models/registry.ts";
import type { HubFault } from "../fixtures/fake-hub/faults.ts";
import { bigPath, emptyPath, ModelWorld, repository, testLimits, wantedFiles } from "./model-world.ts";

let world: ModelWorld;
beforeEach(async () => {
  world = await ModelWorld.start();
});
afterEach(() => world.stop());

const bigBytes = wantedFiles[bigPath]?.length ?? 0;

/** The error of a pull that must fail. */
async function failureOf(pull: Promise<unknown>): Promise<{ code: string; message: string; stack: string }> {
  try {
    await pull;
  } catch (thrown) {
    return thrown as { code: string; message: string; stack: string };
  }
  throw new Error("the pull did not fail");
}

const nothingHalfPublished = (): void => {
  expect(existsSync(join(world.repositoryFolder, "refs", "main"))).toBe(false);
  const blobs = join(world.repositoryFolder, "blobs");
  for (const name of existsSync(blobs) ? readdirSync(blobs) : [])
    expect(name).toMatch(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);
};

describe("a pull ends in the right files", () => {
  const passing: readonly (readonly [string, HubFault])[] = [
    ["the connection is cut in mid-file", { kind: "cut", path: bigPath, afterBytes: 100_000, times: 6 }],
    ["the connection is cut before the first byte", { kind: "cut", path: bigPath, afterBytes: 0, times: 2 }],
    ["the hub falls silent in mid-file", { kind: "stall", path: bigPath, afterBytes: 50_000, times: 2 }],
    ["the hub never begins to answer", { kind: "stall", path: bigPath, afterBytes: 0, times: 1 }],
    ["the hub answers 500", { kind: "status", path: bigPath, status: 500, times: 2 }],
    ["the hub answers 503 on the listing", { kind: "status", path: "listing", status: 503, times: 2 }],
    ["the bytes are wrong once, at the right size", { kind: "wrongBytes", path: bigPath, times: 1 }],
    ["a small file's bytes are wrong once", { kind: "wrongBytes", path: "model_index.json", times: 1 }],
    ["the hub answers 200 instead of 206", { kind: "ignoreRange", path: bigPath, times: 3 }],
    ["the hub answers another range than was asked for", { kind: "otherRange", path: bigPath, times: 2 }],
    ["the ETag changes in mid-file", { kind: "etagChange", path: bigPath, times: 2 }],
    ["signed addresses expire", { kind: "expire", path: bigPath, times: 5 }],
  ];
  it.each(passing)("when %s", async (_, fault) => {
    world.hub.add(fault);
    const outcome = await world.cache.pull(repository);
    if (outcome.kind !== "complete") throw new Error(outcome.kind);
    expect(world.differences(outcome.snapshotPath)).toEqual([]);
    expect(await world.cache.verify(repository, { isRehash: true })).toMatchObject({ problems: [] });
  });

  it("when the connection is cut again and again, as long as bytes arrive in between", async () => {
    // Far more cuts than tries: progress gives the tries back.
    world.hub.add({ kind: "cut", path: bigPath, afterBytes: 64 * kibibyte });
    const outcome = await world.cache.pull(repository);
    if (outcome.kind !== "complete") throw new Error(outcome.kind);
    expect(world.differences(outcome.snapshotPath)).toEqual([]);
    expect(world.hub.served.filter((one) => one.path === bigPath).length).toBeGreaterThan(bigBytes / (64 * kibibyte));
    // Each break may cost what Node's fetch had not handed over yet, never what was handed over.
    expect(world.hub.bytesServed(bigPath)).toBeLessThan(1.5 * bigBytes);
  });

  it("when the hub's listing takes longer than a stall, and never stalls", async () => {
    world.hub.add({ kind: "slow", path: "listing", bytesPerSecond: 1_500 });
    expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete" });
  });

  it("when the hub has no ranges at all", async () => {
    world.hub.add({ kind: "ignoreRange", path: "*" });
    const outcome = await world.cache.pull(repository);
    if (outcome.kind !== "complete") throw new Error(outcome.kind);
    expect(world.differences(outcome.snapshotPath)).toEqual([]);
  });

  it("after the wait that a busy hub asks for", async () => {
    world.hub.add({
      kind: "status",
      path: "vae/model.safetensors",
      status: 429,
      headers: { "retry-after": "1" },
      times: 1,
    });
    world.hub.add({
      kind: "status",
      path: "vae/copy-of-model.safetensors",
      status: 429,
      headers: { "retry-after": "1" },
      times: 1,
    });
    const startedAtMs = world.clock.nowMs();
    expect(await world.cache.pull(repository)).toMatchObject({ kind: "complete" });
    expect(world.clock.nowMs() - startedAtMs).toBeGreaterThanOrEqual(990);
  });
});

describe("a try of a pull that comes again", () => {
  it("is told once, however many connections broke off, with its number, its time and its reason", async () => {
    const told: PullRetry[] = [];
    world.cache.onRetry((_, retry) => told.push(retry));
    world.hub.add({ kind: "status", path: bigPath, status: 500 });
    const startedAtMs = world.clock.nowMs();
    expect((await failureOf(world.cache.pull(repository))).code).toBe("NETWORK_UNREACHABLE");
    // What comes of other files meanwhile gives the tries back, and they are told anew.
    expect(new Set(told.map(({ tryNumber, tryCount }) => `${tryNumber} of ${tryCount}`))).toEqual(
      new Set(["2 of 3", "3 of 3"]),
    );
    expect(told.every(({ code, atMs }) => code === "NETWORK_UNREACHABLE" && atMs > startedAtMs)).toBe(true);
    expect(told[0]?.message).toContain("answered 500");
  });
  it("comes as often as the settings say, and no oftener", async () => {
    const told: PullRetry[] = [];
    const cache = world.openCache({ limits: { connectionCount: 1, retry: { ...testLimits.retry, tryCount: 2 } } });
    cache.onRetry((_, retry) => told.push(retry));
    world.hub.add({ kind: "cut", path: bigPath, afterBytes: 0 });
    expect((await failureOf(cache.pull(repository))).code).toBe("NETWORK_UNREACHABLE");
    expect(told).toMatchObject([{ tryNumber: 2, tryCount: 2 }]);
    expect(world.hub.served.filter(({ path }) => path === bigPath)).toHaveLength(2);
    await cache.close();
  });
});

describe("a pull fails in one clear sentence", () => {
  it.each([
    [
      "the licence was not accepted",
      { kind: "gated", path: bigPath },
      "MODEL_GATED",
      /accept its licence at http:\S+\/test-org\/tiny-wan/,
    ],
    [
      "the hub wants a token",
      { kind: "unauthorised", path: bigPath },
      "MODEL_ACCESS_DENIED",
      /wants a token; set HF_TOKEN/,
    ],
    ["the bytes are wrong every time", { kind: "wrongBytes", path: bigPath }, "MODEL_FILE_CORRUPT", /came 2 times/],
    [
      "the hub answers 500 every time",
      { kind: "status", path: bigPath, status: 500 },
      "NETWORK_UNREACHABLE",
      /answered 500/,
    ],
    [
      "the hub stays silent",
      { kind: "stall", path: bigPath, afterBytes: 0 },
      "NETWORK_UNREACHABLE",
      /No byte of \S+ arrived for 0.4 s/,
    ],
    [
      "a file without a byte has the hash of another",
      { kind: "wrongId", path: emptyPath },
      "MODEL_FILE_CORRUPT",
      /came 2 times/,
    ],
    [
      "the listed file is gone",
      { kind: "status", path: "model_index.json", status: 404 },
      "MODEL_NOT_FOUND",
      /has no model_index/,
    ],
  ] as const)("when %s", async (_, fault, code, sentence) => {
    world.hub.add(fault);
    const failure = await failureOf(world.cache.pull(repository));
    expect(failure).toMatchObject({ name: "ModelError", code, message: expect.stringMatching(sentence) });
    expect(failure.message).not.toContain("signature");
    nothingHalfPublished();
    expect(await world.cache.localPath(repository)).toBeNull();
    expect(await world.cache.statusOf(repository)).toMatchObject({ state: "failed", error: { code } });
    // Nothing that came is lost, and the cause gone, the same pull completes.
    world.hub.clearFaults();
    const outcome = await world.cache.resume(repository);
    if (outcome.kind !== "complete") throw new Error(outcome.kind);
    expect(world.differences(outcome.snapshotPath)).toEqual([]);
  });

  it.each([
    ["no such repository", "test-org/absent", undefined, "MODEL_NOT_FOUND", /no test-org\/absent/],
    ["no such revision", repository, "v9", "MODEL_NOT_FOUND", /no revision v9 of test-org\/tiny-wan/],
    ["a revision that leads out of the cache", repository, "../../x", "MODEL_NOT_FOUND", /no revision "\.\.\/\.\.\/x"/],
    ["a name that is none", "T2V", undefined, "MODEL_NOT_FOUND", /there are T2V-A14B/],
  ])("when there is %s", async (_, name, revision, code, sentence) => {
    const failure = await failureOf(world.cache.pull(name, revision === undefined ? {} : { revision }));
    expect(failure).toMatchObject({ code, message: expect.stringMatching(sentence) });
    nothingHalfPublished();
  });

  it.each([
    ["a file", bigPath, "http://[bad?signature=secret"],
    ["a file", bigPath, "file:///etc/passwd?signature=secret"],
    ["the listing", "listing", "http://[bad?signature=secret"],
  ])("when %s is redirected to what is no address of the web", async (_, path, location) => {
    world.hub.add({ kind: "status", path, status: 302, headers: { location } });
    const failure = await failureOf(world.cache.pull(repository));
    expect(failure).toMatchObject({
      code: "MODEL_NOT_AVAILABLE",
      message: expect.stringContaining("an address that cannot be used"),
    });
    expect(failure.message).not.toContain("signature");
    nothingHalfPublished();
  });

  it("when nobody answers at the hub's address", async () => {
    const cache = world.openCache({ endpoint: "http://127.0.0.1:9" });
    const failure = await failureOf(cache.pull(repository));
    expect(failure).toMatchObject({
      code: "NETWORK_UNREACHABLE",
      message: expect.stringContaining("127.0.0.1:9 does not answer"),
    });
    nothingHalfPublished();
  });

  it("when the disk has too little room, before the first byte", async () => {
    const cache = world.openCache({ freeBytes: 3 * mebibyte });
    const failure = await failureOf(cache.pull(repository));
    expect(failure).toMatchObject({
      code: "DISK_FULL",
      message: expect.stringMatching(/needs 2\.8 MiB more and 1\.0 MiB must stay free/),
    });
    expect(world.hub.bytesServed()).toBe(0);
    nothingHalfPublished();
  });

  it("when the wanted files hold weights as pickles only", async () => {
    const files = JSON.stringify({
      models: {
        old: {
          repository,
          pipelineClass: "OldPipeline",
          files: ["*.bin", "*.json"],
          sizes: { step: 16, cell: 16 },
          defaults: { frames: 5, steps: 2, framesPerSecond: 8 },
          weights: "8KiB",
          render: { guidanceScale: 1 },
          profiles: {},
        },
      },
    });
    const cache = world.openCache({ catalog: createModelCatalog(parseRegistry({ path: "models.json", text: files })) });
    expect(await failureOf(cache.pull("old"))).toMatchObject({
      code: "MODEL_NOT_AVAILABLE",
      message: expect.stringContaining("safetensors"),
    });
    expect(world.hub.bytesServed()).toBe(0);
  });
});
