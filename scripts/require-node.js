/*
 * Runs before the scripts that need the project's own Node.js, and says what is wrong where it is missing. Plain
 * JavaScript, so that an old Node.js can read it.
 */
const needed = 24;
const found = Number(process.versions.node.split(".")[0]);
if (found < needed) {
  const ways = "run `npm rebuild node`, or `npm ci` without that flag, or put a newer Node.js on the PATH";
  console.error(
    `This needs Node.js ${needed}, and ${process.execPath} is ${process.version}. The project brings its own, but it is not installed here (was npm ci run with --ignore-scripts?): ${ways}.`,
  );
  process.exitCode = 1;
}
