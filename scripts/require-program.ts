/**
 * Finds a program that some tests need beside npm's packages. In CI, as root, Debian's package is installed where it is
 * missing; elsewhere one sentence says how to get it.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface NeededProgram {
  /** The sentence begins with it: `The page's tests need a Chromium`. */
  readonly need: string;
  readonly names: readonly string[];
  /** The variable by which another program may be named. */
  readonly variable: string;
  readonly debianPackage: string;
}

export type ProgramAnswer =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "missing"; readonly message: string };

type Environment = Readonly<Record<string, string | undefined>>;

const installMs = 240_000;
const commandFor = ({ debianPackage }: NeededProgram): string =>
  `apt-get update && apt-get install -y --no-install-recommends ${debianPackage}`;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What the variable names, else the first of the usual names on the PATH. */
export function findProgram(needed: NeededProgram, environment: Environment): ProgramAnswer {
  const { need, names, variable } = needed;
  const { [variable]: given, PATH: folders = "" } = environment;
  if (given !== undefined && given !== "") {
    if (isExecutable(given)) return { kind: "found", path: given };
    return { kind: "missing", message: `${variable} names ${given}, which is no program that can be started.` };
  }
  const path = folders
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable);
  if (path !== undefined) return { kind: "found", path };
  return {
    kind: "missing",
    message: `${need}, and there is none: run \`${commandFor(needed)}\` as root, or name one in ${variable}.`,
  };
}

/** The exit code: 0 where it is there, or has been installed. */
export function requireProgram(needed: NeededProgram): number {
  let answer = findProgram(needed, process.env);
  const mayInstall = process.env["CI"] === "true" && process.getuid?.() === 0 && !process.env[needed.variable];
  if (answer.kind === "missing" && mayInstall) {
    console.log(`Installing Debian's package ${needed.debianPackage}, because there is none here.`);
    const { stderr } = spawnSync("sh", ["-c", commandFor(needed)], {
      encoding: "utf8",
      timeout: installMs,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
    answer = findProgram(needed, process.env);
    if (answer.kind === "missing") console.error(stderr.trim().split("\n").slice(-5).join("\n"));
  }
  if (answer.kind === "missing") console.error(answer.message);
  return answer.kind === "found" ? 0 : 1;
}
