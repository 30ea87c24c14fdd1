#!/usr/bin/env node
/*
 * Starts the command line: the compiled one of an installed package, the TypeScript sources in a clone.
 * Written so that an old Node.js can read it and say which one is needed, instead of a syntax error.
 */

import { existsSync } from "node:fs";

var lowest = 24;
var major = Number(process.versions.node.split(".")[0]);

if (major < lowest) {
  console.error(
    "understudy needs Node.js " +
      lowest +
      " or newer, and this is " +
      process.version +
      " (" +
      process.execPath +
      "); install it, or use `npm start` in a clone, which brings its own.",
  );
  process.exitCode = 1;
} else {
  var compiled = new URL("../dist/main.js", import.meta.url);
  var source = new URL("../src/main.ts", import.meta.url);
  // A clone has both after a build, and then the sources are the newer ones.
  import((existsSync(source) ? source : compiled).href);
}
