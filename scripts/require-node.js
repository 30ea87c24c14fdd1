/*
 * Runs before the scripts that need the project's own Node.js, and says what is wrong where it is missing. Plain
 * JavaScript, so that an old Node.js can read it.
 */
var needed = 24;
var found = Number(process.versions.node.split(".")[0]);
if (found < needed) {
  console.error(
    "This needs Node.js " +
      needed +
      ", and " +
      process.execPath +
      " is " +
      process.version +
      ". The project brings its own, but it is not installed here" +
      " (was `npm ci` run with --ignore-scripts?): run `npm rebuild node`, or `npm ci` without that flag, or put Node.js " +
      needed +
      " on the PATH.",
  );
  process.exitCode = 1;
}
