/**
 * Which program a clone runs: its sources in a bundle, made once and kept in .cache/start until one of them changes. The
 * bundle's name comes from size, times and number of every file that it was made of, so what runs is what was written last.
 * Plain JavaScript, because taking the types out of this file would cost what the bundle saves.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const store = join(root, ".cache", "start");

function listSources() {
  const entries = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true });
  return [
    ...entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
    // npm writes the second one with every change of packages; another installer has none.
    ...["package.json", "node_modules/.package-lock.json", "scripts/bundle.ts", "scripts/rules/source-files.ts"]
      .map((path) => join(root, path))
      .filter((path) => existsSync(path)),
  ].toSorted();
}

/** The time of a file's last change cannot be set back, so no change keeps the key. */
function keyOfSources() {
  const hash = createHash("sha256");
  for (const path of listSources()) {
    // A file of an editor may be gone between the list and the look; the list without it is another key.
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) continue;
    const { size, mtimeNs, ctimeNs, ino } = found;
    hash.update(`${path} ${size} ${mtimeNs} ${ctimeNs} ${ino}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown.code === "EPERM";
  }
}

const programOf = (folder) => join(folder, "main.js");
const marksOf = (folder) => join(folder, "running");
/** Nobody may write here because the clone belongs to another user, or because its disk is full. */
const isNotWritable = ({ code }) => ["EACCES", "EROFS", "EPERM", "ENOSPC"].includes(code);

/**
 * Whoever runs a bundle starts programs out of it later, so it stays as long as one of them is there. False when there is
 * no such bundle.
 */
function mark(folder) {
  const path = join(marksOf(folder), String(process.pid));
  try {
    writeFileSync(path, "");
    process.on("exit", () => rmSync(path, { force: true }));
  } catch (thrown) {
    // A user who may not write here has nobody beside him who removes a bundle.
    if (thrown.code !== "ENOENT" && !isNotWritable(thrown)) throw thrown;
  }
  return existsSync(programOf(folder));
}

function removeUnused(kept) {
  for (const name of readdirSync(store)) {
    const folder = join(store, name);
    const pids = existsSync(marksOf(folder)) ? readdirSync(marksOf(folder)) : [];
    if (folder !== kept && !pids.some((pid) => isRunning(Number(pid))))
      rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a bundle. Nothing comes of it when a source holds a mistake, or where nobody may write. */
function make(folder, key) {
  const building = join(store, `${key}-${process.pid}`);
  try {
    mkdirSync(marksOf(building), { recursive: true });
    writeFileSync(join(marksOf(building), String(process.pid)), "");
    const bundler = join(root, "scripts", "bundle.ts");
    const { status } = spawnSync(process.execPath, [bundler, building], { stdio: "ignore" });
    // A source that was written meanwhile is in the bundle or is not, and nobody can tell which.
    if (status !== 0 || keyOfSources() !== key) return;
    renameSync(building, folder);
    removeUnused(folder);
  } catch (thrown) {
    // Another start was quicker, or took the folder away in the moment before it was marked.
    const isOvertaken = ["EEXIST", "ENOTEMPTY", "ENOENT"].includes(thrown.code);
    if (!isOvertaken && !isNotWritable(thrown)) throw thrown;
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** The file to run, and the folder where its compiled code may be kept. */
export function programOfClone() {
  const key = keyOfSources();
  const folder = join(store, key);
  if (!mark(folder)) {
    make(folder, key);
    if (!mark(folder)) return { program: join(root, "src", "main.ts"), compiled: undefined };
  }
  return { program: programOf(folder), compiled: join(folder, "compiled") };
}
