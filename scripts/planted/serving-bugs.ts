/** What may go wrong where people are told and served: stand-ins, modes, answers, checks of files. */
import type { PlantedBug } from "./planted-bug.ts";

export const servingBugs: readonly PlantedBug[] = [
  {
    name: "a stand-in is told as the real video",
    why: "The one lie that the product exists to prevent.",
    file: "src/contract/job-truth.ts",
    from: "is_mock: standIn !== undefined,",
    to: "is_mock: false,",
    tests: [],
  },
  {
    name: "a file that does not play is a result",
    why: "Its owner would get a video that nobody can open.",
    file: "src/jobs/accept-result.ts",
    from: 'if (problem !== null) return { kind: "refused", problem };',
    to: 'if (problem === "") return { kind: "refused", problem };',
    tests: [],
  },
  {
    name: "stand-ins are made although an operator has paused the service",
    why: "A pause means that nothing is served.",
    file: "src/jobs/stand-in-dispatcher.ts",
    from: "return !this.#isStopped && this.#dueInMs() === 0 && !this.#options.isHeld();",
    to: "return !this.#isStopped && this.#dueInMs() === 0;",
    tests: ["test/integration/operator.test.ts"],
  },
  {
    name: "a job that refuses stand-ins is left in the queue",
    why: "Its owner asked to be told at once.",
    file: "src/jobs/stand-in-dispatcher.ts",
    from: `    if (job.spec.consent.fallback === "fail") {`,
    to: `    if (job.spec.consent.fallback === "wait") {`,
    tests: [],
  },
  {
    name: "a younger job goes first",
    why: "Who came first would wait longest.",
    file: "src/store/claim.ts",
    from: "order by priority desc, created_at, id limit 1`,\n    nowMs,\n    nowMs,\n    models,\n  );\n  if (oldest",
    to: "order by priority desc, created_at desc, id limit 1`,\n    nowMs,\n    nowMs,\n    models,\n  );\n  if (oldest",
    tests: ["test/unit/store-jobs.test.ts"],
  },
];
