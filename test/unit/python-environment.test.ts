import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkPython } from "../../src/app/doctor/python-checks.ts";
import { createSystemClock } from "../../src/core/clock.ts";
import { diffusersProfiles } from "../../src/workers/diffusers-command.ts";
import { askPython, readRequirements } from "../../src/workers/python-environment.ts";
import { isAlive } from "../harness/running-service.ts";

const clock = createSystemClock();
const folder = mkdtempSync(join(tmpdir(), "understudy-python-"));
const requirements = readRequirements() ?? [];
const pinned = Object.fromEntries(requirements.map(({ name, version }) => [name, version]));

/** A program that answers as an interpreter would. */
function interpreter(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}
const says = (name: string, change: object): string => {
  const report = {
    python: [3, 11, 9],
    versions: pinned,
    hasWorker: true,
    torch: { hasCuda: true, builtFor: "12.8", error: null },
  };
  return interpreter(name, `cat <<'END'\n${JSON.stringify({ ...report, ...change })}\nEND`);
};

beforeAll(() => expect(requirements.length).toBeGreaterThan(5));
afterAll(() => {
  clock.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("what the doctor says of an interpreter", () => {
  it("is all right when it has exactly what the worker was tried with", async () => {
    expect(await checkPython(clock, says("good", {}), true)).toMatchObject({ status: "ok", fix: null });
  });

  it.each([
    ["is not there", () => join(folder, "nowhere"), "missing", /There is no interpreter/],
    [
      "ends with an error",
      () => interpreter("broken", "echo 'libpython3.so: cannot open' >&2; exit 127"),
      "missing",
      /ended with 127: libpython3\.so/,
    ],
    ["is no Python", () => interpreter("other", "echo hello"), "missing", /does not answer as Python does/],
    [
      "is too old",
      () => says("old", { python: [3, 8, 10] }),
      "missing",
      /is Python 3\.8\.10; the worker needs 3\.10 or newer/,
    ],
    [
      "lacks packages",
      () => says("bare", { versions: { ...pinned, torch: null, diffusers: null }, torch: null }),
      "missing",
      /lacks torch, diffusers/,
    ],
    [
      "cannot import torch",
      () => says("torn", { torch: { hasCuda: false, builtFor: null, error: "ImportError: libcudnn.so.9" } }),
      "missing",
      /libcudnn/,
    ],
    [
      "has a PyTorch for the processor",
      () => says("cpu", { torch: { hasCuda: false, builtFor: null, error: null } }),
      "missing",
      /built for the processor alone/,
    ],
    [
      "has other versions",
      () => says("newer", { versions: { ...pinned, diffusers: "9.9.9" } }),
      "unknown",
      /diffusers 9\.9\.9 \(tried with /,
    ],
  ] as const)("that %s: what is wrong, and what to do", async (_, make, status, sentence) => {
    const found = await checkPython(clock, make(), true);
    expect(found).toMatchObject({ status, sentence: expect.stringMatching(sentence) });
    expect(found.fix).toMatch(/worker|PyTorch/);
  });

  it("does not ask for CUDA where renders are to be on the processor", async () => {
    expect(
      await checkPython(clock, says("cpu-only", { torch: { hasCuda: false, builtFor: null, error: null } }), false),
    ).toMatchObject({
      status: "ok",
      sentence: expect.stringContaining("on the processor"),
    });
  });

  it("waits for one that hangs only so long, and leaves no process", async () => {
    const path = interpreter("hanging", `echo $$ > ${join(folder, "pid")}; exec sleep 60`);
    const startedAtMs = clock.nowMs();
    expect(await askPython(clock, path, requirements, 500)).toEqual({ kind: "silent", afterMs: 500 });
    expect(clock.nowMs() - startedAtMs).toBeLessThan(10_000);
    const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
    while (isAlive(pid) && clock.nowMs() - startedAtMs < 10_000) await clock.sleep(10);
    expect(isAlive(pid)).toBe(false);
  });
});

describe("what is known of the worker before it runs", () => {
  it("is what its own source says", () => {
    const source = readFileSync(
      new URL("../../worker/understudy_worker/pipelines/placement.py", import.meta.url),
      "utf8",
    );
    const listed = (name: string) =>
      [...(new RegExp(`^${name} = \\((.*)\\)$`, "m").exec(source)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(
        ([, word]) => word,
      );
    expect(diffusersProfiles).toEqual({ card: listed("OFFERED"), processor: listed("ON_PROCESSOR") });
  });
});
