/** A person's own worker: the example of `worker/examples`, held to the protocol by the command that the person would type. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { workerChecks } from "../../src/workers/conformance/worker-conformance.ts";
import { installedPython, workerPackageDir } from "../../src/workers/diffusers-command.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;

async function check(promises: readonly string[], program: readonly string[]): Promise<{ code: number; lines: readonly string[] }> {
  const args = [launcher, "worker", "check", ...promises, ...program];
  const env = { ...process.env, PYTHONPATH: workerPackageDir };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    return { code: 0, lines: stdout.split("\n") };
  } catch (thrown) {
    const { code, stdout } = thrown as { code: number; stdout: string };
    return { code, lines: stdout.split("\n") };
  }
}

const namesThat = (word: string, lines: readonly string[]): readonly string[] =>
  lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length).trim());

it("the example in thirty lines holds all that it promises, and what it does not promise is said", async () => {
  const example = `${workerPackageDir}/examples/painter`;
  const { code, lines } = await check(["--promises", `${example}.json`], [installedPython, "-B", `${example}.py`]);
  const checksThat = (needs: (names: readonly string[]) => boolean) =>
    workerChecks.filter((one) => needs(one.needs)).map(({ name }) => name);
  const promised = ["badConfiguration", "orphanVariable"];
  const isPromised = (names: readonly string[]): boolean => names.every((name) => promised.includes(name));
  expect(namesThat("BROKEN", lines)).toEqual([]);
  expect(namesThat("holds", lines)).toEqual(checksThat(isPromised));
  expect(namesThat("unsupported", lines)).toEqual(checksThat((names) => !isPromised(names)));
  expect(code).toBe(0);
});
