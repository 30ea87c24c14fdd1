#!/usr/bin/env node
/*
 * Starts the command line: the TypeScript sources of a clone, or the compiled ones of an installed package. Written so
 * that an old Node.js can read it and say which one is needed, instead of a syntax error.
 */
import { existsSync } from "node:fs";

const lowest = 24;
const found = Number(process.versions.node.split(".")[0]);
// A clone has both after a build, and then the sources are the newer ones.
const source = new URL("../src/main.ts", import.meta.url);
const compiled = new URL("../dist/main.js", import.meta.url);

if (found < lowest) {
  const here = `${process.version} (${process.execPath})`;
  console.error(
    `understudy needs Node.js ${lowest} or newer, and this is ${here}; in a clone, npm start brings its own.`,
  );
  process.exitCode = 1;
} else {
  void import((existsSync(source) ? source : compiled).href);
}
