/*
 * `node scripts/run.js FILE|vitest [ARGUMENT ...]`: the scripts of package.json start here, under the project's own Node.js
 * where the one that runs this is too old; where that is missing too, one sentence says what to do. Plain JavaScript, so
 * that an old Node.js can read it.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

const needed = 24;
const found = Number(process.versions.node.split(".")[0]);
const inProject = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const own = inProject("node_modules/node/bin/node");

function hasTerminal() {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

function start(node, asked, rest) {
  const args = [asked === "vitest" ? inProject("node_modules/vitest/vitest.mjs") : asked, ...rest];
  // The program takes the place of this process, so that signals and the exit code need no go-between.
  if (process.execve !== undefined) process.execve(node, [node, ...args], process.env);
  const child = spawn(node, args, { stdio: "inherit" });
  // A terminal sends Ctrl-C to both, and a second one would tell the child to end at once. Without a terminal it came here alone.
  process.on("SIGINT", () => {
    if (!hasTerminal()) child.kill("SIGINT");
  });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (thrown) => {
    console.error(`${node} cannot be started: ${thrown.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const [asked, ...rest] = process.argv.slice(2);
if (asked === undefined) {
  console.error("run.js needs a file, or vitest, and its arguments; package.json has examples.");
  process.exitCode = 2;
} else if (found >= needed) start(process.execPath, asked, rest);
else if (existsSync(own)) start(own, asked, rest);
else {
  const ways = "run `npm rebuild node`, or `npm ci` without that flag, or put a newer Node.js on the PATH";
  console.error(
    `This needs Node.js ${needed}, and ${process.execPath} is ${process.version}. The project brings its own, but it is not installed here (was npm ci run with --ignore-scripts?): ${ways}.`,
  );
  process.exitCode = 1;
}
