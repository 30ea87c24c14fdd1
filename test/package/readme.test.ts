import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { endService, makeStateDir, type RunningService, startService } from "../harness/running-service.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const session = /## A video with curl\n\n```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
const folder = mkdtempSync(join(tmpdir(), "understudy-readme-"));
const stateDir = makeStateDir();
let service: RunningService | undefined;

afterEach(async () => {
  if (service !== undefined) await endService(service);
  stateDir.remove();
  rmSync(folder, { recursive: true, force: true });
});

it("the README's session with curl, pasted as it is, ends with a clip", async () => {
  service = await startService({ stateDir: stateDir.path });
  const pasted = session.replaceAll("http://127.0.0.1:9000", service.url);
  expect(pasted.match(/curl /g)).toHaveLength(5);
  const output = execFileSync("bash", ["-c", pasted], { cwd: folder, encoding: "utf8", timeout: 90_000 });
  expect(output).toContain('"status":"completed"');
  expect(existsSync(join(folder, "video.mp4"))).toBe(true);
  expect(readFileSync(join(folder, "video.mp4")).subarray(4, 8).toString()).toBe("ftyp");
});
