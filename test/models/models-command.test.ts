import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { barLine, createPlainLines } from "../../src/cli/progress-lines.ts";
import type { PullProgress } from "../../src/core/ports/model-cache.ts";
import { mebibyte, minuteMs } from "../../src/core/units.ts";
import { bigPath, ModelWorld, repository, wantedFiles } from "./model-world.ts";

const program = new URL("../../src/main.ts", import.meta.url).pathname;

/** Further variables of the next commands. */
let further: Readonly<Record<string, string>> = {};
let world: ModelWorld;
let child: ChildProcess | undefined;
beforeEach(async () => {
  world = await ModelWorld.start();
});
afterEach(async () => {
  child?.kill("SIGKILL");
  child = undefined;
  further = {};
  await world.stop();
});

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

function start(...words: readonly string[]): { process: ChildProcess; ended: Promise<Ended> } {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: world.folder,
    HF_HUB_CACHE: world.cacheDir,
    HF_ENDPOINT: world.hub.endpoint,
    HF_TOKEN: "hf_very_secret_token",
    UNDERSTUDY_MODELS_MARGIN: "1MiB",
    ...further,
  };
  const started = spawn(process.execPath, [program, "models", ...words, "--state-dir", world.stateDir], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child = started;
  let text = "";
  started.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  started.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { process: started, ended: once(started, "close").then(([code]) => ({ code, text })) };
}

const run = (...words: readonly string[]): Promise<Ended> => start(...words).ended;

describe("understudy models", () => {
  it("pulls, verifies and removes, each with a line that says how it went", async () => {
    const pulled = await run("pull", repository);
    expect(pulled).toMatchObject({ code: 0, text: expect.stringContaining("every file matches its hash: ") });
    expect(pulled.text).toContain("100 %");
    expect(pulled.text).not.toContain("\x1b");
    expect(world.differences(pulled.text.trim().split(": ").at(-1) ?? "")).toEqual([]);
    expect(await run("verify", repository)).toMatchObject({ code: 0, text: expect.stringContaining("All 7 files") });
    expect(await run("remove", repository)).toMatchObject({
      code: 0,
      text: expect.stringMatching(/is removed; 2\.8 MiB are free/),
    });
    expect(await run("verify", repository)).toMatchObject({
      code: 1,
      text: expect.stringContaining("never pulled here"),
    });
  });

  it("names the files that are not right and what fetches them", async () => {
    await run("pull", repository);
    rmSync(join(world.repositoryFolder, "snapshots"), { recursive: true });
    const { code, text } = await run("verify", repository);
    expect(code).toBe(1);
    expect(text).toContain(`missing  ${bigPath}`);
    expect(text).toContain(`7 of 7 files are not right; understudy models pull ${repository} fetches these alone.`);
  });

  it("lists the models that it knows", async () => {
    expect((await run("list")).text).toMatch(/^T2V-A14B +absent +0 B +Wan-AI\/Wan2\.2-T2V-A14B-Diffusers$/m);
  });

  it("pauses at Ctrl-C, says how to go on, and goes on from there", async () => {
    world.hub.add({ kind: "slow", path: bigPath, bytesPerSecond: mebibyte / 2 });
    const { process: pulling, ended } = start("pull", repository);
    await world.until("bytes", () => world.hub.bytesServed(bigPath) > mebibyte);
    pulling.kill("SIGINT");
    expect(await ended).toMatchObject({
      code: 1,
      text: expect.stringContaining(`To go on: understudy models pull ${repository}`),
    });
    world.hub.clearFaults();
    world.hub.resetCounts();
    expect(await run("pull", repository)).toMatchObject({ code: 0 });
    expect(world.hub.bytesServed(bigPath)).toBeLessThan((wantedFiles[bigPath]?.length ?? 0) - mebibyte / 2);
  });

  it("says one sentence when it cannot, without the token", async () => {
    world.hub.add({ kind: "gated", path: "*" });
    const { code, text } = await run("pull", repository);
    expect(code).toBe(1);
    expect(text).toContain("understudy: test-org/tiny-wan is gated: accept its licence");
    expect(text).not.toContain("hf_very_secret_token");
  });
});

/** What a pull of a model of the registry file says on a machine with an H100. */
function onH100(models: object): void {
  const registry = join(world.folder, "registry.json");
  const control = join(world.folder, "smi");
  writeFileSync(registry, JSON.stringify({ models }));
  writeFileSync(control, "normal\n");
  further = {
    UNDERSTUDY_MODELS_REGISTRY: registry,
    UNDERSTUDY_HEALTH_NVIDIA_SMI: new URL("../fixtures/nvidia-smi/nvidia-smi", import.meta.url).pathname,
    FAKE_NVIDIA_SMI: control,
  };
}
const mini = {
  repository,
  pipelineClass: "WanPipeline",
  sizes: { step: 16, cell: 16 },
  defaults: { frames: 81, steps: 40, framesPerSecond: 16 },
  weights: "64MiB",
  render: { guidanceScale: 4 },
  profiles: { "model-offload": { base: "1GiB", perToken: "1KiB" } },
  measured: [{ card: "H100", size: "1280x720", frames: 81, steps: 40, seconds: 240, by: "the tests" }],
};

describe("whether it fits, before a byte is fetched", () => {
  it("is said with memory mode, needs and time, and the pull goes on", async () => {
    onH100({ mini });
    const { code, text } = await run("pull", "mini");
    expect(code).toBe(0);
    expect(text).toMatch(
      /^mini fits NVIDIA H100 80GB HBM3 with 79\.6 GiB .* in memory mode model-offload: 1280x720 with 81 frames takes /m,
    );
    expect(text).toMatch(
      /^A clip of 1280x720 with 81 frames in 40 steps takes about 4 min 0 s \(published: the tests, .* on one H100\)\.$/m,
    );
    expect(text).toMatch(/^\S+ has \d.* free; 64\.0 MiB to fetch, by the registry\.$/m);
    expect(text.indexOf("fits")).toBeLessThan(text.indexOf("100 %"));
  });

  it("refuses what no memory mode carries, names a model that fits, and fetches it for another machine when told to", async () => {
    onH100({ mini, giant: { ...mini, profiles: { "model-offload": { base: "200GiB", perToken: "1KiB" } } } });
    world.hub.resetCounts();
    const refused = await run("pull", "giant");
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(
      /^understudy: giant fits NVIDIA H100 .* in no memory mode: even a test render takes 200\.0 GiB of the card .* does, in memory mode model-offload\. With --anyway /,
    );
    expect(world.hub.bytesServed()).toBe(0);
    expect(await run("pull", "giant", "--anyway")).toMatchObject({
      code: 0,
      text: expect.stringContaining("every file matches its hash"),
    });
  });

  it("is unknown for a repository that no registry describes, and said so", async () => {
    expect((await run("pull", repository)).text).toContain(
      `Whether ${repository} fits this machine is unknown: no registry says what it needs.`,
    );
  });
});

describe("the line of a pull", () => {
  const progress: PullProgress = {
    phase: "fetching",
    doneBytes: 512 * mebibyte,
    totalBytes: 2_048 * mebibyte,
    bytesPerSecond: 10 * mebibyte,
    etaMs: 2 * minuteMs + 34_000,
    doneFileCount: 3,
    fileCount: 12,
    trouble: null,
  };

  it("shows share, amount, files, rate and time left on a terminal, and never more than fits", () => {
    expect(barLine(progress, 200)).toBe(
      "[######------------------] 25 %  512.0 MiB of 2.0 GiB  3 of 12 files  10.0 MiB/s  2 min 34 s left",
    );
    expect(barLine(progress, 40)).toHaveLength(40);
    expect(barLine({ ...progress, trouble: "The hub answered 503." }, 200)).toMatch(/files {2}The hub answered 503\.$/);
    expect(barLine({ ...progress, phase: "listing" }, 200)).toBe("asking the hub");
  });

  it("elsewhere is one for each tenth and each new trouble", () => {
    const lineOf = createPlainLines();
    const lines = Array.from({ length: 101 }, (_, percent) =>
      lineOf({ ...progress, doneBytes: (progress.totalBytes * percent) / 100 }),
    );
    expect(lines.filter((line) => line !== null)).toHaveLength(11);
    expect(lineOf({ ...progress, doneBytes: progress.totalBytes, trouble: "No byte arrived." })).toContain(
      "No byte arrived.",
    );
    expect(lineOf({ ...progress, doneBytes: progress.totalBytes, trouble: "No byte arrived." })).toBeNull();
  });
});
