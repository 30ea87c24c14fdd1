#!/usr/bin/env node
/*
 * Starts the command line: the TypeScript sources of a clone, or the compiled ones of an installed package. Written so
 * that an old Node.js can read it and say which one is needed, instead of a syntax error.
 */
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const lowest = 24;
const found = Number(process.versions.node.split(".")[0]);
const beside = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A clone has both after a build, and then the sources are the newer ones. */
function chooseProgram() {
  if (existsSync(beside("../src/main.ts")))
    return import("../scripts/start-clone.js").then(({ programOfClone }) => programOfClone());
  return Promise.resolve({ program: beside("../dist/main.js"), compiled: beside("../dist/compiled") });
}

function start() {
  return Promise.all([chooseProgram(), import("node:module")]).then(
    ([{ program, compiled }, { enableCompileCache }]) => {
      // Beside the program, where nobody else may write; where this user may not either, each start compiles.
      if (compiled !== undefined) enableCompileCache(compiled);
      return import(pathToFileURL(program).href);
    },
  );
}

if (found < lowest) {
  const here = `${process.version} (${process.execPath})`;
  console.error(
    `understudy needs Node.js ${lowest} or newer, and this is ${here}; in a clone, npm start brings its own.`,
  );
  process.exitCode = 1;
} else {
  void start();
}
