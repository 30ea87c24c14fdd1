/** Run by scripts/mutate.ts, not by `npm test`: the proofs of every mutant in MUTANTS, each with that mutant in force. */
import { afterAll, beforeAll, beforeEach, describe, onTestFailed, type RunnerTestSuite, vi } from "vitest";
import { createSystemClock } from "../../src/core/clock.ts";
import type { Assignment } from "./assignment.ts";
import { putInForce } from "./in-force.ts";
import { nameOf } from "./mutant.ts";
import { type Proof, proofsOf } from "./proofs.ts";

// The one module that is mutated by its answers: a function cannot be exchanged in place.
vi.mock("../../src/recovery/verdicts.ts", async (load) => {
  const original = await load<typeof import("../../src/recovery/verdicts.ts")>();
  const { outcomeInForce, repairInForce } = await import("./recovery-mutants.ts");
  return {
    ...original,
    judgeRung: (...args: Parameters<typeof original.judgeRung>) => {
      const verdict = original.judgeRung(...args);
      return { ...verdict, outcome: outcomeInForce(args[0], verdict.outcome) };
    },
    isRepaired: (...args: Parameters<typeof original.isRepaired>) => repairInForce(original.isRepaired(...args)),
  };
});

const assignments = JSON.parse(process.env["MUTANTS"] ?? "[]") as readonly Assignment[];

function outermost(suite: RunnerTestSuite | undefined, within: string): string | undefined {
  let inner = suite;
  while (inner?.suite !== undefined && inner.suite.name !== within) inner = inner.suite;
  return inner?.name;
}

const clock = createSystemClock();
afterAll(() => clock.stop());
/** What a finished test left behind throws from a timer: it belongs to the mutant that was in force. */
const aftermathMs = 5;

function proveWith({ mutant, isQuick }: Assignment, index: number): void {
  let isKilled = false;
  const escaped: unknown[] = [];
  const noteEscaped = (thrown: unknown): void => {
    isKilled = true;
    escaped.push(thrown);
  };
  let takeBack = (): unknown => undefined;
  beforeAll(() => {
    // An actor that ends by an error that nobody observes throws it outside of every test.
    process.on("uncaughtException", noteEscaped).on("unhandledRejection", noteEscaped);
    takeBack = putInForce(mutant);
  });
  afterAll(async () => {
    await clock.sleep(aftermathMs);
    takeBack();
    process.off("uncaughtException", noteEscaped).off("unhandledRejection", noteEscaped);
    if (escaped.length > 0) throw new Error("an error that nobody observed", { cause: escaped[0] });
  });
  beforeEach((context) => {
    if (isKilled) context.skip();
    onTestFailed(() => {
      isKilled = true;
    });
  });
  const prove = async (proof: Proof): Promise<void> => {
    beforeEach((context) => {
      if (proof.suites?.includes(outermost(context.task.suite, proof.file) ?? "") === false) context.skip();
    });
    // Each mutant's proofs are suites of their own: what a test file keeps between tests belongs to one mutant.
    await import(/* @vite-ignore */ `${proof.file}?mutant=${index}`);
  };
  const proofs = proofsOf(mutant).filter(({ isSlow }) => !isQuick || isSlow !== true);
  for (const proof of proofs) describe(proof.file, () => prove(proof));
}

for (const [index, assignment] of assignments.entries())
  describe(nameOf(assignment.mutant), () => proveWith(assignment, index));
