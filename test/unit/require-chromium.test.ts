import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findChromium } from "../../scripts/require-chromium.ts";

const script = new URL("../../scripts/require-chromium.ts", import.meta.url).pathname;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "understudy-chromium-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeProgram(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return path;
}

describe("the browser of the page's tests", () => {
  it.each(["chromium", "chromium-browser", "google-chrome"])("is found as %s on the PATH", (name) => {
    const path = makeProgram(name);
    expect(findChromium({ PATH: `/nowhere:${folder}` })).toEqual({ kind: "found", path });
  });

  it("is the one that CHROMIUM_PATH names, before any other", () => {
    makeProgram("chromium");
    const path = makeProgram("mine");
    expect(findChromium({ PATH: folder, CHROMIUM_PATH: path })).toEqual({ kind: "found", path });
  });

  it("is missing when CHROMIUM_PATH names no program, whatever else there is", () => {
    makeProgram("chromium");
    const answer = findChromium({ PATH: folder, CHROMIUM_PATH: join(folder, "absent") });
    expect(answer).toMatchObject({ kind: "missing", message: expect.stringContaining(join(folder, "absent")) });
  });

  it("where it is missing, one sentence says how to get it, and the tests do not begin", () => {
    const { status, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8", env: { PATH: folder } });
    expect(status).toBe(1);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain("apt-get install -y --no-install-recommends chromium");
  });
});
