/** A person's own worker: the example of `worker/examples`, held to the protocol by the command that the person would type. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { workerChecks } from "../../src/workers/conformance/worker-conformance.ts";
import { installedPython, workerPackageDir } from "../../src/workers/diffusers-command.ts";
import { endService, makeStateDir, startService } from "../harness/running-service.ts";
import { delivered, deliveredFrames, isReady } from "../harness/tasks.ts";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;

interface Checked {
  readonly code: number;
  readonly lines: readonly string[];
  readonly error: string;
}

async function check(promises: readonly string[], program: readonly string[]): Promise<Checked> {
  const args = [launcher, "worker", "check", ...promises, ...program];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    return { code: 0, lines: stdout.split("\n"), error: stderr };
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as { code: number; stdout: string; stderr: string };
    return { code, lines: stdout.split("\n"), error: stderr };
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

it("one that ends at its start is shown with the last that it wrote", async () => {
  const { code, error } = await check([], [installedPython, "-c", "import understudy_worker, missing_package"]);
  expect(code).toBe(1);
  expect(error).toMatch(
    /the worker process has ended\. The last that it wrote:\n(?:.*\n)*.*No module named 'missing_package'/,
  );
});

/** The two files of worker/README.md, with this clone's paths in them. */
function writeReadmeFiles(dir: string): string {
  const blocks = [...readFileSync(join(workerPackageDir, "README.md"), "utf8").matchAll(/```json\n(.*?)```/gs)].map(
    ([, text = ""]) => text,
  );
  const [config = {}, registry] = blocks.map((text) => JSON.parse(text) as { readonly workers?: readonly object[] });
  const [worker = {}] = config.workers ?? [];
  const command = [installedPython, "-B", join(workerPackageDir, "examples", "painter.py")];
  writeFileSync(join(dir, "models.json"), JSON.stringify(registry));
  const settings = { ...config, workers: [{ ...worker, command }], models: { registry: join(dir, "models.json") } };
  writeFileSync(join(dir, "own.json"), JSON.stringify(settings));
  return join(dir, "own.json");
}

it("a service with the two files of the README renders with it, proves it by a test render, and says that it is real", async () => {
  const directory = makeStateDir();
  const service = await startService({
    stateDir: directory.path,
    args: ["--config", writeReadmeFiles(directory.path)],
    limitMs: 60_000,
  });
  try {
    await isReady(service, 120_000);
    const id = await service.submit({ model_type: "painter", resolution: "128x64", steps: 6, num_frames: 9 });
    await delivered(service, id, 120_000);
    expect(await deliveredFrames(service, id)).toBe(9);
    expect((await service.json(`/api/v1/generate/${id}`)).body).toMatchObject({
      is_mock: false,
      simulated: false,
      served_by: { kind: "real", model: "painter" },
    });
  } finally {
    await endService(service);
    directory.remove();
  }
});
