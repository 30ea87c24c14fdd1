import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";

const project = new URL("../../", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "understudy-package-"));
const installed = join(folder, "node_modules", "understudyd");
const clock = createSystemClock();

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync("npm", [...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const command = (args: readonly string[]): string =>
  execFileSync(join(folder, "node_modules", ".bin", "understudy"), [...args], { cwd: folder, encoding: "utf8" });

async function until<Found>(
  what: string,
  look: () => Found | null | Promise<Found | null>,
  limitMs: number,
): Promise<Found> {
  const deadlineMs = clock.nowMs() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (clock.nowMs() > deadlineMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await clock.sleep(50);
  }
}

beforeAll(() => {
  npm(["pack", "--pack-destination", folder], project);
  const packed = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody-elses", private: true }));
  npm(["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed ?? "")], folder);
});

afterAll(() => {
  clock.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("the package", () => {
  it("carries compiled code, its licence and no sources or tests", () => {
    expect(
      ["dist/main.js", "bin/understudy.js", "LICENSE", "README.md"].filter(
        (path) => !existsSync(join(installed, path)),
      ),
    ).toEqual([]);
    expect(["src", "test", "scripts"].filter((path) => existsSync(join(installed, path)))).toEqual([]);
  });

  it("carries each program that runs in a process or a thread of its own", () => {
    const programs = [
      "gpu/probe/gpu-probe-child.js",
      "media/media-child.js",
      "models/hash-thread.js",
      "workers/simulator/link-thread.js",
      "workers/simulator/main.js",
    ];
    expect(programs.filter((path) => !existsSync(join(installed, "dist", path)))).toEqual([]);
  });

  it("carries the packages that its files were built with, and their licences", () => {
    const bundled = ["hono", "pino", "systeminformation", "xstate", "yaml", "zod"];
    expect(bundled.filter((name) => existsSync(join(folder, "node_modules", name)))).toEqual([]);
    const licences = readFileSync(join(installed, "dist", "LICENSES.txt"), "utf8");
    for (const name of bundled)
      expect(licences).toMatch(new RegExp(`^${name} \\S+ \\((?:MIT|ISC)\\)\n\n[^]{500}`, "m"));
  });

  it("installs no tool that only its developers need", () => {
    const tools = ["vitest", "typescript", "dependency-cruiser", "@biomejs", "@ffmpeg-installer", "node"];
    expect(tools.filter((name) => existsSync(join(folder, "node_modules", name)))).toEqual([]);
  });

  it("tells its version and its flags", () => {
    const { version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as { readonly version: string };
    expect(command(["--version"])).toContain(version);
    expect(command(["--help"])).toContain("--state-dir");
  });

  it("serves, renders a video and stops", async () => {
    const stateDir = join(folder, "state");
    const child = spawn(
      process.execPath,
      [join(installed, "bin", "understudy.js"), "serve", "--port", "0", "--state-dir", stateDir],
      {
        cwd: folder,
        stdio: "ignore",
      },
    );
    const ended = new Promise<number | string>((resolve) =>
      child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown")),
    );
    try {
      const file = join(stateDir, "run", "supervisor.json");
      const address = await until(
        "the service listens",
        () =>
          existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { readonly address: string }).address : null,
        60_000,
      );
      const url = address.startsWith("http") ? address : `http://${address}`;
      expect((await fetch(`${url}/livez`)).status).toBe(200);
      expect((await fetch(`${url}/`)).headers.get("content-type")).toContain("text/html");
      const submitted = await fetch(`${url}/api/v1/generation/submit`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          model_type: "T2V-A14B",
          prompt: "a red fox",
          resolution: "854x480",
          steps: 4,
          num_frames: 9,
        }),
      });
      const { task_id: id } = (await submitted.json()) as { readonly task_id: string };
      await until(
        "the video is there",
        async () => {
          const job = (await (await fetch(`${url}/api/v1/generate/${id}`)).json()) as {
            readonly status: string;
            readonly is_mock?: boolean;
          };
          return job.status === "completed" && job.is_mock !== true ? job : null;
        },
        60_000,
      );
      const video = await fetch(`${url}/api/v1/outputs/${id}/video`);
      const bytes = new Uint8Array(await video.arrayBuffer());
      expect(new TextDecoder().decode(bytes.slice(4, 8))).toBe("ftyp");
    } finally {
      child.kill("SIGTERM");
    }
    expect(await Promise.race([ended, clock.sleep(10_000).then(() => "still there")])).toBe(0);
  });
});
