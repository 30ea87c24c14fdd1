/**
 * Completes package-lock.json with the optional platform packages that the registry at hand did not describe, so that
 * `npm ci` accepts the lock on every platform. Entries are derived from the owners' `optionalDependencies`: the
 * platform from the name's suffix, no integrity (npm then checks the registry's own). It is run after every change of
 * dependencies.
 */
import { readFileSync, writeFileSync } from "node:fs";

const lockPath = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(lockPath, "utf8"));
const operatingSystems = [
  "android",
  "darwin",
  "linux",
  "win32",
  "freebsd",
  "openbsd",
  "netbsd",
  "sunos",
  "aix",
  "openharmony",
];
const processors = ["arm64", "x64", "arm", "riscv64", "ppc64", "s390x", "loong64", "mips64el", "ia32", "wasm32"];

let addedCount = 0;
for (const [owner, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] !== undefined || lock.packages[`${owner}/${place}`] !== undefined) continue;
    const words = name.split("/").at(-1).split("-");
    const os = words.find((word) => operatingSystems.includes(word));
    const cpu = words.find((word) => processors.includes(word));
    const libc =
      words.includes("musl") || words.includes("musleabihf") ? "musl" : words.includes("gnu") ? "glibc" : undefined;
    if (os === undefined && cpu === undefined) continue;
    if (!/^\d/.test(version)) continue;
    lock.packages[place] = {
      version,
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(entry.dev === true ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc: [libc] }),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
    };
    addedCount += 1;
  }
}
const root = lock.packages[""];
lock.packages = {
  "": root,
  ...Object.fromEntries(
    Object.entries(lock.packages)
      .filter(([place]) => place !== "")
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
};
writeFileSync(lockPath, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${addedCount} platform packages added to package-lock.json`);
