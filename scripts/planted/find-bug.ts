/** Plants one bug in a copy of the project, and asks one proof after the other until one finds it. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PlantedBug } from "./planted-bug.ts";

const root = join(import.meta.dirname, "..", "..");

interface Proof {
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

const typesProof: Proof = {
  name: "the compiler",
  args: ["node_modules/typescript7/bin/tsc", "-p", "."],
  limitMs: 3 * minuteMs,
};

const proofsOf = ({ tests }: PlantedBug): readonly Proof[] => [...tests.map(testProof), simulationProof, typesProof];

/** The text with the bug in it; throws where the place is not found exactly once. */
export function planted({ name, file, from, to, also = [] }: PlantedBug, text: string): string {
  return [{ from, to }, ...also].reduce((changed, one) => {
    const parts = changed.split(one.from);
    if (parts.length === 2) return parts.join(one.to);
    throw new Error(`${name}: the text to change occurs ${parts.length - 1} times in ${file}`);
  }, text);
}

interface Copy {
  readonly path: string;
  remove(): void;
}

/** A copy of these files, beside the project's own packages. */
function copyProject(files: readonly string[]): Copy {
  const path = mkdtempSync(join(tmpdir(), "understudy-planted-"));
  for (const file of files) {
    mkdirSync(dirname(join(path, file)), { recursive: true });
    copyFileSync(join(root, file), join(path, file));
  }
  symlinkSync(join(root, "node_modules"), join(path, "node_modules"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** One that failed once may have failed by a machine that was busy. */
const failsTwice = async (proof: Proof, path: string): Promise<boolean> =>
  (await fails(proof, path)) && (await fails(proof, path));

/** A proof that does not end within its limit has failed. */
function fails({ args, limitMs }: Proof, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: path,
      stdio: "ignore",
      timeout: limitMs,
      killSignal: "SIGKILL",
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code !== 0));
  });
}

/** What fails in the project as it is finds everything, and so proves nothing; asked once of each proof that found something. */
export interface Baseline {
  failsUnchanged(proof: Proof): Promise<boolean>;
  remove(): void;
}

export function createBaseline(files: readonly string[]): Baseline {
  const copy = copyProject(files);
  const asked = new Map<string, Promise<boolean>>();
  return {
    failsUnchanged: (proof) => {
      const known = asked.get(proof.name) ?? failsTwice(proof, copy.path);
      asked.set(proof.name, known);
      return known;
    },
    remove: copy.remove,
  };
}

export type Finding = { readonly kind: "found" | "unsound"; readonly proof: string } | { readonly kind: "survived" };

/** The first proof that finds the bug, and that finds nothing without it. */
export async function findBug(bug: PlantedBug, files: readonly string[], baseline: Baseline): Promise<Finding> {
  const copy = copyProject(files);
  try {
    const path = join(copy.path, bug.file);
    writeFileSync(path, planted(bug, readFileSync(path, "utf8")));
    for (const proof of proofsOf(bug)) {
      if (!(await failsTwice(proof, copy.path))) continue;
      return { kind: (await baseline.failsUnchanged(proof)) ? "unsound" : "found", proof: proof.name };
    }
    return { kind: "survived" };
  } finally {
    copy.remove();
  }
}
