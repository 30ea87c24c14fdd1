/** Which test files must notice a wrong change of which machine, the quickest first. */
import type { Mutant } from "./mutant.ts";

export interface Proof {
  /** Beside this folder. */
  readonly file: string;
  /** Names of the outermost suites that speak of the machine; all of the file when left out. */
  readonly suites?: readonly string[];
  /** Seconds a mutant: looked at only when nothing before it has failed. */
  readonly isSlow?: boolean;
}

const lint = "../machines/lint.test.ts";
const shared = (machine: string): readonly Proof[] => [
  { file: lint, suites: [`the machine ${machine}`] },
  { file: "../machines/exploration.test.ts", suites: [`every reachable state of ${machine}`, machine], isSlow: true },
];

const own: Readonly<Record<string, readonly string[]>> = {
  recovery: [
    "../machines/recovery.test.ts",
    "../machines/recovery-looking-back.test.ts",
    "../machines/recovery-waiting.test.ts",
    "../unit/recovery-ladders.test.ts",
    "../unit/recovery-verdicts.test.ts",
  ],
  "circuit-breaker": ["../machines/circuit-breaker.test.ts"],
  pipeline: ["../machines/pipeline.test.ts", "../machines/pipeline-interruptions.test.ts"],
  worker: ["../machines/worker.test.ts"],
  "model-loader": ["../machines/model-loader.test.ts", "../machines/model-loader-aside.test.ts"],
};

/** The machines whose proofs are themselves proven. */
export const provenMachines = Object.keys(own);

/** In the order in which they are tried: the quickest first. */
export function proofsOf({ machine, operator }: Mutant): readonly Proof[] {
  const files = own[machine];
  if (files === undefined) throw new Error(`no proofs are named for ${machine}`);
  const proofs = [...files.map((file) => ({ file })), ...shared(machine)];
  // A negation has no name, which the lint would find: that would say nothing about the machine.
  return operator === "negate guard" ? proofs.filter(({ file }) => file !== lint) : proofs;
}
