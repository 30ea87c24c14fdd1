/** Checks every file of src and test: `node scripts/check-time-and-chance.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Finding, findBannedForms, parse } from "./rules/banned-forms.ts";
import { findShapeProblems } from "./rules/file-shape.ts";
import { isFixture, isTypeScript, listFiles } from "./rules/source-files.ts";

/** The only places that may touch a wall clock, a timer or a random source. */
const clockModules = new Set(["src/core/clock.ts", "src/core/virtual-clock.ts", "src/core/chance.ts"]);

/** `path` decides what is allowed: relative to the root, with slashes. */
export function checkSource(path: string, text: string): readonly Finding[] {
  const source = parse(path, text);
  const banned = clockModules.has(path) ? [] : findBannedForms(source);
  return [...banned, ...findShapeProblems(source, { isFunctionLengthLimited: path.startsWith("src/") })];
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url).pathname;
  const paths = listFiles(root, ["src", "test"], (path) => isTypeScript(path) && !isFixture(path));
  const findings = paths.flatMap((path) =>
    checkSource(path, readFileSync(join(root, path), "utf8")).map((finding) => ({ path, ...finding })),
  );
  for (const { path, line, form, text } of findings) console.error(`${path}:${line} ${form}: ${text}`);
  console.log(`time, chance and shape: ${paths.length} files, ${findings.length} findings`);
  if (findings.length > 0 || paths.length === 0) process.exitCode = 1;
}
