/**
 * A real file system of a few MiB. It is mounted in a mount namespace of its own, which needs no privilege where user
 * namespaces are allowed; so what uses it runs as a program inside of that namespace.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mebibyte } from "../../src/core/units.ts";

const namespace = ["--user", "--map-root-user", "--mount"];

/** Null, or why this system gives no small disk. */
export function findMountRefusal(): string | null {
  const mountPoint = mkdtempSync(join(tmpdir(), "understudy-disk-"));
  const tried = spawnSync("unshare", [...namespace, "mount", "-t", "tmpfs", "none", mountPoint], { encoding: "utf8" });
  rmdirSync(mountPoint);
  if (tried.error !== undefined) return tried.error.message;
  return tried.status === 0 ? null : tried.stderr.trim();
}

/** Runs a program of this folder's kind inside of a mount namespace; what it prints is one JSON value. */
export function runInNamespace<Printed>(program: string): Promise<Printed> {
  const child = spawn("unshare", [...namespace, process.execPath, program], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (text) => {
    output += String(text);
  });
  child.stderr.on("data", (text) => {
    errors += String(text);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Printed);
      else reject(new Error(`${program} ended with ${code}:\n${errors}`));
    });
  });
}

export interface SmallDisk {
  readonly path: string;
  /** Takes every byte that is left; the number that was taken. */
  fill(): number;
  /** Gives them back. */
  empty(): void;
  remove(): void;
}

/** Only inside of a mount namespace. */
export function mountSmallDisk(sizeBytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "understudy-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes},mode=700`, "none", path]);
  const filler = join(path, "filler");
  return {
    path,
    fill: () => takeAll(filler),
    empty: () => rmSync(filler, { force: true }),
    remove: () => {
      execFileSync("umount", ["--lazy", path]);
      rmdirSync(path);
    },
  };
}

function takeAll(path: string): number {
  const file = openSync(path, "a");
  let bytes = 0;
  try {
    for (const chunk of [new Uint8Array(mebibyte), new Uint8Array(4_096)]) {
      for (let isFull = false; !isFull; ) {
        try {
          bytes += writeSync(file, chunk);
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
          isFull = true;
        }
      }
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}
