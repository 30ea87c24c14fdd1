/** What may go wrong where failures are judged and repaired: blame, proofs, outcomes, budgets, modes. */
import type { PlantedBug } from "./planted-bug.ts";

export const recoveryBugs: readonly PlantedBug[] = [
  {
    name: "every probe counts as passed",
    why: "A worker that renders nothing would be called repaired.",
    file: "src/app/incidents/recover.ts",
    from: `  if (report.failure !== null) return { verdict: "failed", reason: report.failure.message };
  return report.passed
    ?`,
    to: `  return report.tookMs >= 0
    ?`,
    tests: [],
  },
  {
    name: "a failed test render is no matter where the phase was not asked",
    why: "The climb would end although nothing renders.",
    file: "src/recovery/verdicts.ts",
    from: `(proof.envelope === "unknown" && proof.canary === "passed")`,
    to: `(proof.envelope === "unknown" && proof.canary !== "unknown")`,
    tests: ["test/unit/recovery-verdicts.test.ts"],
  },
  {
    name: "a restart counts without its test render",
    why: "A new process that cannot render would be called a repair.",
    file: "src/recovery/verdicts.ts",
    from: `return ofProbe(proof.canary, canaryProof, "a new process shook hands");`,
    to: `return verdict("effective", "a new process shook hands");`,
    tests: ["test/unit/recovery-verdicts.test.ts"],
  },
  {
    name: "the hourly budget of heavy actions is off",
    why: "A fault that no repair can end would keep the machine busy with repairs.",
    file: "src/recovery/budget.ts",
    from: "if (recent.length < heavyActionCount)",
    to: "if (recent.length < heavyActionCount * 1_000)",
    tests: ["test/unit/recovery-limits.test.ts"],
  },
  {
    name: "two jobs that fail alike are two bad jobs",
    why: "A worker that fails every job would never be repaired.",
    file: "src/recovery/blame.ts",
    from: `return jobCount >= 2 ? "route" : "job";`,
    to: `return jobCount >= 2_000 ? "route" : "job";`,
    tests: ["test/unit/recovery-blame.test.ts"],
  },
  {
    name: "a test render that gave no answer speaks for the worker",
    why: "A worker that hangs would blame its jobs.",
    file: "src/recovery/blame.ts",
    from: `if (testRender !== "passed") return "route";`,
    to: `if (testRender === "failed") return "route";`,
    tests: ["test/unit/recovery-blame.test.ts"],
  },
  {
    name: "numbers make two failures different",
    why: "The same failure would be a new one at each try, and its job would never end.",
    file: "src/recovery/signature.ts",
    from: `  [/\\d+(?:[.,]\\d+)*/g, "#"],\n`,
    to: "",
    tests: ["test/unit/recovery-blame.test.ts"],
  },
  {
    name: "a guess is conclusive",
    why: "No experiment would be made, and the worker would be blamed again.",
    file: "src/recovery/blame.ts",
    from: "conclusiveClasses.has(faultClass) && confidence >= guessedBelow",
    to: "conclusiveClasses.has(faultClass) || confidence >= 0",
    tests: ["test/unit/recovery-blame.test.ts"],
  },
  {
    name: "a bad request speaks against its worker",
    why: "One client could shut a healthy worker off.",
    file: "src/recovery/breaker.ts",
    from: `const counted: readonly Attribution[] = ["worker", "gpu", "model"];`,
    to: `const counted: readonly Attribution[] = ["worker", "gpu", "model", "request"];`,
    tests: ["test/unit/recovery-limits.test.ts"],
  },
  {
    name: "a condition that persists does not matter",
    why: "A climb would end as repaired while the disk is still full.",
    file: "src/recovery/verdicts.ts",
    from: "if (proof.isConditionGone === false) return false;",
    to: "if (proof.isConditionGone === null) return false;",
    tests: ["test/unit/recovery-verdicts.test.ts"],
  },
  {
    name: "free memory that was not measured counts as freed",
    why: "An outcome would be called effective by nobody's measurement.",
    file: "src/recovery/verdicts.ts",
    from: `    return verdict("unknown", "free memory on the device could not be measured from outside the worker");`,
    to: `    return verdict("effective", "free memory on the device could not be measured from outside the worker");`,
    tests: ["test/unit/recovery-verdicts.test.ts"],
  },
  {
    name: "silence is judged from the start of the worker",
    why: "Every render of some length would be ended as silent.",
    file: "src/workers/silence-watchdog.ts",
    from: "    const silentForMs = clock.nowMs() - lastHeardAtMs;\n    if (silentForMs < limitMs) {",
    to: "    const silentForMs = clock.nowMs() - lastHeardAtMs + limitMs;\n    if (silentForMs < limitMs) {",
    tests: ["test/unit/worker-silence-watchdog.test.ts"],
  },
];
