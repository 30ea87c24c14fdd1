/** One process of `npm run mutate`: carries assignments out one after the other and sends each finding as soon as it has it. */
import { type Reporter, startVitest, type TestCase, type TestSuite } from "vitest/node";
import type { Assignment, ChunkMessage } from "../../test/mutation/assignment.ts";

const assignments = JSON.parse(process.env["MUTANTS"] ?? "[]") as readonly Assignment[];
if (process.send === undefined) throw new Error("this file is started by scripts/mutate.ts");
const send = process.send.bind(process);

// Whoever asked has ended: nobody is there to hear, and this process leads a group of its own.
process.once("disconnect", () => process.kill(-process.pid, "SIGKILL"));

const failedIn = (suite: TestSuite): TestCase | undefined => [...suite.children.allTests("failed")][0];

const reporter: Reporter = {
  onTestCaseResult: () => {
    send({ kind: "progressed" } satisfies ChunkMessage);
  },
  onTestSuiteResult: (suite) => {
    if (suite.parent.type !== "module") return;
    const failed = failedIn(suite);
    const reason = failed === undefined ? suite.errors()[0]?.message : failed.fullName.slice(suite.fullName.length + 3);
    send({
      kind: "found",
      killedBy: suite.state() === "failed" ? (reason ?? "a suite that failed") : null,
    } satisfies ChunkMessage);
  },
  onTestModuleEnd: (module) => {
    for (const error of module.errors())
      send({ kind: "broken", message: error.stack ?? error.message } satisfies ChunkMessage);
  },
};

const vitest = await startVitest("test", [], {
  config: false,
  watch: false,
  include: ["test/mutation/each-mutant.ts"],
  exclude: [],
  reporters: [reporter],
  env: { MUTANTS: JSON.stringify(assignments) },
  pool: "forks",
  testTimeout: 30_000,
  hookTimeout: 30_000,
  dangerouslyIgnoreUnhandledErrors: true,
});
await vitest.close();
process.exitCode = 0;
process.removeAllListeners("disconnect");
process.disconnect();
