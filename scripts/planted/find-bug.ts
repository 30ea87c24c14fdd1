/** Plants one bug in a copy of the project, and asks one proof after the other until one finds it. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PlantedBug } from "./planted-bug.ts";

const root = join(import.meta.dirname, "..", "..");

export interface Proof {
  readonly name: string;
  /** Arguments of Node.js, in the copy. */
  readonly args: readonly string[];
  readonly limitMs: number;
}

const minuteMs = 60_000;
const projectOf = (test: string): string => (test.startsWith("test/durability/") ? "durability" : "main");

const testProof = (test: string): Proof => ({
  name: test,
  args: ["node_modules/vitest/vitest.mjs", "run", "--project", projectOf(test), test],
  limitMs: 3 * minuteMs,
});

/** The same seeds for every bug, and for the project as it is. */
const simulationProof: Proof = {
  name: "the simulation",
  args: ["scripts/simulate.ts", "--seed", "31", "--seeds", "2", "--hours", "24"],
  limitMs: 10 * minuteMs,
};

export const typesProof: Proof = {
  name: "the compiler",
  args: ["node_modules/typescript7/bin/tsc", "-p", "."],
  limitMs: 3 * minuteMs,
};

export const proofsOf = ({ tests }: PlantedBug): readonly Proof[] => [
  ...tests.map(testProof),
  simulationProof,
  typesProof,
];

/** The text with the bug in it; throws where the place is not found exactly once. */
export function planted({ name, file, from, to }: PlantedBug, text: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${name}: the text to change occurs ${parts.length - 1} times in ${file}`);
  return parts.join(to);
}

export interface Copy {
  readonly path: string;
  remove(): void;
}

/** A copy of these files, beside the project's own packages. */
export function copyProject(files: readonly string[]): Copy {
  const path = mkdtempSync(join(tmpdir(), "understudy-planted-"));
  for (const file of files) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    copyFileSync(join(root, file), join(path, file));
  }
  symlinkSync(join(root, "node_modules"), join(path, "node_modules"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Answer {
  readonly hasFailed: boolean;
  readonly output: string;
}

/** A proof that does not end within its limit has failed too. */
export function ask({ args, limitMs }: Proof, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: path,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: limitMs,
      killSignal: "SIGKILL",
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output = `${output}${String(chunk)}`.slice(-20_000);
      });
    child.once("error", reject);
    child.once("exit", (code) => resolve({ hasFailed: code !== 0, output }));
  });
}

/** The name of the first proof that finds the bug; null when it survives. */
export async function findBug(bug: PlantedBug, files: readonly string[]): Promise<string | null> {
  const copy = copyProject(files);
  try {
    const path = join(copy.path, bug.file);
    writeFileSync(path, planted(bug, readFileSync(path, "utf8")));
    for (const proof of proofsOf(bug)) if ((await ask(proof, copy.path)).hasFailed) return proof.name;
    return null;
  } finally {
    copy.remove();
  }
}
