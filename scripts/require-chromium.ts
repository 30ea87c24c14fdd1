/**
 * Runs before the page's tests: finds the Chromium that they drive. In CI, as root, Debian's package is installed where
 * there is none; elsewhere one sentence says how to get it.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export type ChromiumAnswer = { readonly kind: "found"; readonly path: string } | { readonly kind: "missing"; readonly message: string };

const names = ["chromium", "chromium-browser", "google-chrome"];
const installMs = 240_000;
const debianCommand = "apt-get update && apt-get install -y --no-install-recommends chromium";

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What `CHROMIUM_PATH` names, else the first of the usual names on the PATH. */
export function findChromium(environment: Readonly<Record<string, string | undefined>>): ChromiumAnswer {
  const { CHROMIUM_PATH: given, PATH: folders = "" } = environment;
  if (given !== undefined && given !== "") {
    if (isExecutable(given)) return { kind: "found", path: given };
    return { kind: "missing", message: `CHROMIUM_PATH names ${given}, which is no program that can be started.` };
  }
  const paths = folders.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const path = paths.find(isExecutable);
  if (path !== undefined) return { kind: "found", path };
  const message = `The page's tests need a Chromium, and there is none: run \`${debianCommand}\` as root, or name one in CHROMIUM_PATH.`;
  return { kind: "missing", message };
}

if (import.meta.main) {
  let answer = findChromium(process.env);
  const mayInstall = process.env["CI"] === "true" && process.getuid?.() === 0 && !process.env["CHROMIUM_PATH"];
  if (answer.kind === "missing" && mayInstall) {
    console.log("No Chromium here; installing Debian's package.");
    const { stderr } = spawnSync("sh", ["-c", debianCommand], {
      encoding: "utf8",
      timeout: installMs,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    answer = findChromium(process.env);
    if (answer.kind === "missing") console.error(stderr.trim().split("\n").slice(-5).join("\n"));
  }
  if (answer.kind === "missing") console.error(answer.message);
  process.exitCode = answer.kind === "found" ? 0 : 1;
}
