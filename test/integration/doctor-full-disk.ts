/** Runs inside of a mount namespace: what the doctor says on a small disk, and on the same disk without a byte left. */
import { spawnSync } from "node:child_process";
import { mebibyte } from "../../src/core/units.ts";
import { mountSmallDisk } from "../harness/small-disk.ts";

const disk = mountSmallDisk(8 * mebibyte);
const program = new URL("../../src/main.ts", import.meta.url).pathname;

function examine(): unknown {
  const env = {
    PATH: process.env["PATH"],
    HOME: disk.path,
    HF_ENDPOINT: "http://127.0.0.1:9",
    UNDERSTUDY_PORT: "0",
    UNDERSTUDY_RENDERER_PYTHON: "/nowhere",
  };
  const { stdout } = spawnSync(process.execPath, [program, "doctor", "--json", "--state-dir", disk.path], {
    env,
    encoding: "utf8",
  });
  return (JSON.parse(stdout) as { findings: unknown }).findings;
}

try {
  const small = examine();
  disk.fill();
  process.stdout.write(JSON.stringify({ small, full: examine() }));
} finally {
  disk.remove();
}
