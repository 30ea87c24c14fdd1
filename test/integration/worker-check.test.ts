/** `understudy worker check` on the simulator, and on what is no worker. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { makeStateDir } from "../harness/running-service.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;
const simulator = new URL("../../src/workers/simulator/main.ts", import.meta.url).pathname;
const directory = makeStateDir();
afterAll(directory.remove);

async function check(...args: readonly string[]): Promise<{ code: number; text: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [launcher, "worker", "check", ...args]);
    return { code: 0, text: stdout };
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as { code: number; stdout: string; stderr: string };
    return { code, text: `${stdout}${stderr}` };
  }
}

describe("worker check", { timeout: 300_000 }, () => {
  it("prints what holds, what is unsupported, and the one promise that is broken", async () => {
    const path = join(directory.path, "promises.json");
    // It starts with any environment, so that it refuses this one is not true.
    writeFileSync(
      path,
      JSON.stringify({
        startSeconds: 30,
        promises: { badConfiguration: { UNDERSTUDY_SIM_SPEED: "1" }, orphanVariable: "UNDERSTUDY_ORPHAN_MS" },
      }),
    );
    const { code, text } = await check("--promises", path, process.execPath, simulator);
    expect(code).toBe(1);
    expect(text.match(/^BROKEN .*/gm)).toEqual([
      "BROKEN      refuses a bad configuration with exit code 78 and a sentence in its log",
    ]);
    expect(text).toMatch(/^holds {7}renders a playing file of the asked size and frame count/m);
    expect(text).toMatch(/^unsupported after SIGKILL .*\n {12}needs the promise checkpointEverySteps$/m);
    expect(text).toMatch(/\d+ hold, 1 are broken, \d+ are unsupported\.\n$/);
  });

  it.each([
    ["a program that is not there", ["/nowhere/worker"], /The worker's program \/nowhere\/worker does not exist/],
    ["a program that ends at once", [process.execPath, "-e", "process.exit(3)"], /exit|ended/],
  ])("says in one sentence that %s is no worker", async (_, program, sentence) => {
    const { code, text } = await check(...program);
    expect(code).toBe(1);
    expect(text).toMatch(sentence);
    expect(text).not.toMatch(/at .*\.ts:\d+/);
  });

  it("refuses a file of promises that it does not understand, with the place", async () => {
    const path = join(directory.path, "bad.json");
    writeFileSync(path, JSON.stringify({ startSeconds: 30, promises: { fliesToTheMoon: true } }));
    expect(await check("--promises", path, process.execPath, simulator)).toMatchObject({
      code: 1,
      text: expect.stringMatching(/promises .*fliesToTheMoon/),
    });
  });
});
