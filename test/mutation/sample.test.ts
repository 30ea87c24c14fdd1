/** Twenty of the mutants of `npm run mutate`, against the proofs that take milliseconds. */
import { execFile } from "node:child_process";
import { expect, it } from "vitest";

const script = new URL("../../scripts/mutate.ts", import.meta.url).pathname;

interface Said {
  readonly status: number;
  readonly output: string;
}

function mutate(...args: readonly string[]): Promise<Said> {
  // This test runs inside of vitest, the script starts one of its own.
  const { VITEST: _vitest, VITEST_POOL_ID: _pool, VITEST_WORKER_ID: _worker, NODE_ENV: _env, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    );
  });
}

it("twenty small wrong changes of the statecharts are noticed by their tests, all but two at most", {
  timeout: 600_000,
}, async () => {
  const { status, output } = await mutate("--quick", "--sample", "20", "--seed", "7");
  console.log(output);
  expect(output).toContain("20 of ");
  expect([status, output]).toEqual([0, expect.stringContaining("| machine | mutants | killed |")]);
});
