/** What may go wrong where people are told and served: stand-ins, modes, answers, checks of files. */
import type { PlantedBug } from "./planted-bug.ts";

const promiseTests = ["test/unit/promise.test.ts"];

export const servingBugs: readonly PlantedBug[] = [
  {
    name: "a stand-in is told as the real video",
    why: "The one lie that the product exists to prevent.",
    file: "src/contract/job-truth.ts",
    from: "is_mock: standIn !== undefined,",
    to: "is_mock: false,",
    tests: ["test/unit/server-jobs.test.ts"],
  },
  {
    name: "a file that does not play is a result",
    why: "Its owner would get a video that nobody can open.",
    file: "src/jobs/accept-result.ts",
    from: "if (problem !== null) return refuse(",
    to: 'if (problem === "") return refuse(',
    tests: ["test/app/rendering/commit.test.ts"],
  },
  {
    name: "an answer is given although an operator has paused the service",
    why: "A pause means that nothing is served.",
    file: "src/recovery/promise.ts",
    from: "if (facts.isPaused) return",
    to: "if (facts.isPaused && open.length > 0) return",
    tests: promiseTests,
  },
  {
    name: "a job that refuses stand-ins gets one",
    why: "Its owner asked to be told that there is no real video.",
    file: "src/jobs/stand-in-dispatcher.ts",
    from: `if (promise.kind === "refused") {`,
    to: `if (promise.kind === "realLater") {`,
    tests: ["test/app/rendering/stand-ins.test.ts"],
  },
  {
    name: "rendered at once, whoever goes before",
    why: "Who is told so waits behind a whole queue.",
    file: "src/recovery/promise.ts",
    from: "if (queue.aheadCount > 0 || free.length === 0)",
    to: "if (free.length < 0)",
    tests: promiseTests,
  },
  {
    name: "a worker that is being repaired serves",
    why: "A video is promised that nobody can begin.",
    file: "src/recovery/promise.ts",
    from: `repairing: "coming",`,
    to: `repairing: "open",`,
    tests: promiseTests,
  },
  {
    name: "a way is lost only when its worker was stopped",
    why: "The mode says stand-ins, and nobody gets one.",
    file: "src/recovery/promise.ts",
    from: `return facts.isDiskShort || best === undefined || !(isOpen(best) || best.standing === "resting");`,
    to: `return best?.standing === "stopped";`,
    tests: promiseTests,
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
