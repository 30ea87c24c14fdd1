import { type ChildProcess, execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRequirements } from "../../src/workers/python-environment.ts";
import { type FakeHub, startFakeHub } from "../fixtures/fake-hub/fake-hub.ts";
import { clock } from "../harness/running-service.ts";
import { findMountRefusal, runInNamespace } from "../harness/small-disk.ts";

const program = new URL("../../src/main.ts", import.meta.url).pathname;
const smi = new URL("../fixtures/nvidia-smi/nvidia-smi", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "understudy-doctor-"));
const control = join(folder, "smi");
const python = join(folder, "python");
const registry = join(folder, "registry.json");
let hub: FakeHub;

interface Row {
  readonly name: string;
  readonly status: string;
  readonly is_needed: boolean;
  readonly sentence: string;
  readonly fix?: string;
}
interface Report {
  readonly code: number;
  readonly isWell: boolean;
  readonly rows: Readonly<Record<string, Row>>;
}

const environment = (change: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"] ?? "",
  HOME: folder,
  HF_ENDPOINT: hub.endpoint,
  HF_HUB_CACHE: join(folder, "hub-cache"),
  FAKE_NVIDIA_SMI: control,
  UNDERSTUDY_HEALTH_NVIDIA_SMI: smi,
  UNDERSTUDY_MODELS_REGISTRY: registry,
  UNDERSTUDY_MODELS_MARGIN: "1MiB",
  UNDERSTUDY_LEAD: "mini",
  UNDERSTUDY_ALTERNATIVE: "none",
  UNDERSTUDY_WORKERS: JSON.stringify([{ id: "front", kind: "diffusers", models: ["mini"] }]),
  UNDERSTUDY_RENDERER_PYTHON: python,
  UNDERSTUDY_PORT: "0",
  ...change,
});

/** `understudy doctor`, in a process of its own. */
function examine(
  change: Readonly<Record<string, string>> = {},
  ...flags: readonly string[]
): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const state = change["UNDERSTUDY_STATE_DIR"] === undefined ? ["--state-dir", join(folder, "state")] : [];
    const child: ChildProcess = execFile(
      process.execPath,
      [program, "doctor", ...state, ...flags],
      { env: environment(change) },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, text: stdout + stderr }),
    );
  });
}
async function report(change: Readonly<Record<string, string>> = {}): Promise<Report> {
  const { code, text } = await examine(change, "--json");
  const { is_well: isWell, findings } = JSON.parse(text) as { is_well: boolean; findings: readonly Row[] };
  return { code, isWell, rows: Object.fromEntries(findings.map((row) => [row.name, row])) };
}
const play = (transcript: string): void => writeFileSync(control, `${transcript}\n`);

const mini = {
  repository: "test-org/mini",
  pipelineClass: "WanPipeline",
  sizes: { step: 16, cell: 16 },
  defaults: { frames: 81, steps: 40, framesPerSecond: 16 },
  weights: "64MiB",
  render: { guidanceScale: 4 },
  profiles: { "model-offload": { base: "1GiB", perToken: "1KiB" }, tiling: { base: "512MiB", perToken: "1KiB" } },
  measured: [{ card: "H100", size: "1280x720", frames: 81, steps: 40, seconds: 240, by: "the tests" }],
};

beforeAll(async () => {
  const repository = join(folder, "hub", "test-org", "mini");
  mkdirSync(repository, { recursive: true });
  writeFileSync(join(repository, "model_index.json"), "{}");
  writeFileSync(join(repository, "model.safetensors"), "weights");
  hub = await startFakeHub({ root: join(folder, "hub"), clock });
  writeFileSync(
    registry,
    JSON.stringify({
      models: { mini, huge: { ...mini, weights: "900TB", profiles: { full: { base: "900TB", perToken: "1KiB" } } } },
    }),
  );
  const versions = Object.fromEntries((readRequirements() ?? []).map(({ name, version }) => [name, version]));
  const said = {
    python: [3, 11, 9],
    versions,
    hasWorker: true,
    torch: { hasCuda: true, builtFor: "12.8", error: null },
  };
  writeFileSync(python, `#!/bin/sh\ncat <<'END'\n${JSON.stringify(said)}\nEND\n`);
  chmodSync(python, 0o755);
});
afterAll(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("understudy doctor", { timeout: 90_000 }, () => {
  it("is well where everything is there, and says what was found, one line each", async () => {
    play("normal");
    const { code, text } = await examine();
    expect([code, text]).toEqual([0, expect.stringContaining("All that this configuration needs is there.")]);
    for (const line of [
      /^ok +node +Node\.js \d+\.\d+\.\d+\.$/m,
      /^ok +state directory +\S+ is made at the first start\.$/m,
      /^ok +card +NVIDIA H100 80GB HBM3 with 79\.6 GiB, NVIDIA H100 80GB HBM3 with 79\.6 GiB\.$/m,
      /^ok +driver +Driver 570\.86\.15\.$/m,
      /^ok +python +\S+: Python 3\.11\.9 with all that the worker needs, CUDA 12\.8\.$/m,
      /^ok +hub +127\.0\.0\.1:\d+ answers, and lets mini be read\.$/m,
      /^ok +model mini +mini fits NVIDIA H100 80GB HBM3 with 79\.6 GiB .* in memory mode model-offload: .* takes about 4 min 0 s \(published: the tests/m,
      /^(?:ok|missing) +adoption /m,
      /^(?:ok|missing) +control group /m,
      /^(?:ok|missing) +pressure /m,
      /^(?:ok|missing) +kernel log /m,
    ])
      expect(text).toMatch(line);
  });

  it.each([
    ["driver-not-loaded", "missing", /couldn't communicate with the NVIDIA driver/],
    ["hang", "unknown", /did not answer within/],
  ])(
    "tells of a card whose tool plays %s, with what to do, and that the fit is unknown then",
    async (transcript, status, sentence) => {
      play(transcript);
      const { code, rows } = await report();
      expect(rows["card"]).toMatchObject({
        status,
        sentence: expect.stringMatching(sentence),
        fix: expect.stringContaining("driver"),
      });
      expect(rows["model mini"]).toMatchObject({
        status: "unknown",
        is_needed: true,
        sentence: expect.stringMatching(/^Whether mini fits is unknown/),
      });
      expect(code).toBe(1);
    },
  );

  it("finds every obstacle of one broken machine at once, each with its fix", async () => {
    play("normal");
    const taken: Server = await new Promise((resolve) => {
      const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
    });
    const { port } = taken.address() as { port: number };
    const state = join(folder, "damaged");
    mkdirSync(state);
    writeFileSync(join(state, "understudy.db"), "no database".repeat(1_000));
    hub.add({ kind: "gated", path: "*" });
    try {
      const { code, isWell, rows } = await report({
        UNDERSTUDY_STATE_DIR: state,
        UNDERSTUDY_PORT: String(port),
        UNDERSTUDY_RENDERER_PYTHON: join(folder, "nowhere"),
        UNDERSTUDY_MODELS_MARGIN: "900TiB",
        UNDERSTUDY_LEAD: "huge",
        UNDERSTUDY_WORKERS: JSON.stringify([{ id: "front", kind: "diffusers", models: ["huge"] }]),
      });
      expect([code, isWell]).toEqual([1, false]);
      const found: Readonly<Record<string, RegExp>> = {
        database: /The database is damaged/,
        port: new RegExp(`127\\.0\\.0\\.1:${port} is taken by another program`),
        python: /There is no interpreter/,
        hub: /test-org\/mini is gated: accept its licence/,
        "model disk": /free; the files of huge that are not here yet need/,
        "model huge": /huge fits .* in no memory mode/,
      };
      for (const [name, sentence] of Object.entries(found))
        expect(rows[name]).toMatchObject({
          status: "missing",
          is_needed: true,
          sentence: expect.stringMatching(sentence),
          fix: expect.stringMatching(/\w/),
        });
      expect(rows["model huge"]?.fix).toMatch(/Take (?:T2V-A14B|I2V-A14B|TI2V-5B|mini), which fits in memory mode /);
    } finally {
      hub.clearFaults();
      taken.close();
    }
  });

  it("says when nobody answers at the hub's address, and when the state directory is a file", async () => {
    play("normal");
    const file = join(folder, "file");
    writeFileSync(file, "");
    const { code, rows } = await report({
      HF_ENDPOINT: "http://127.0.0.1:9",
      UNDERSTUDY_STATE_DIR: join(file, "state"),
    });
    expect(rows["hub"]).toMatchObject({ status: "missing", sentence: expect.stringContaining("does not answer") });
    expect(rows["state directory"]).toMatchObject({ status: "missing", fix: expect.stringContaining("--state-dir") });
    expect(code).toBe(1);
  });

  it("asks of a simulated service only what the simulator needs", async () => {
    play("driver-not-loaded");
    const { code, rows } = await report({
      UNDERSTUDY_WORKERS: JSON.stringify([{ id: "front", models: ["mini"] }]),
      UNDERSTUDY_RENDERER_PYTHON: join(folder, "nowhere"),
      HF_ENDPOINT: "http://127.0.0.1:9",
    });
    expect(rows["python"]).toMatchObject({ status: "missing", is_needed: false });
    expect(rows["hub"]).toMatchObject({ status: "missing", is_needed: false });
    expect(code).toBe(0);
  });

  it("finds a disk that is full, and one with too little room", async (context) => {
    const refusal = findMountRefusal();
    // A kernel that allows no mount namespace has no small disk to give; the summary names the test as not run.
    if (refusal !== null) return context.skip(`a small disk cannot be mounted here: ${refusal}`);
    const { full, small } = await runInNamespace<{ full: readonly Row[]; small: readonly Row[] }>(
      new URL("./doctor-full-disk.ts", import.meta.url).pathname,
    );
    const of = (rows: readonly Row[], name: string) => rows.find((row) => row.name === name);
    expect(of(small, "disk")).toMatchObject({
      status: "missing",
      is_needed: true,
      sentence: expect.stringMatching(/has \d.* free; .* need 2\.\d GiB/),
    });
    expect(of(small, "state directory")).toMatchObject({ status: "ok" });
    expect(of(full, "state directory")).toMatchObject({
      status: "missing",
      sentence: expect.stringContaining("ENOSPC"),
    });
  });
});
