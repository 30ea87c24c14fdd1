/** What may go wrong where jobs are kept: fences, ends of attempts, deadlines, and what is on the disk. */
import type { PlantedBug } from "./planted-bug.ts";

const storeTests = ["test/unit/store-jobs.test.ts"];
const durability = ["test/durability/durability.test.ts"];

export const storeBugs: readonly PlantedBug[] = [
  {
    name: "the fence is not checked",
    why: "An attempt that lost its job would write its result over the newer one's.",
    file: "src/store/job-rows.ts",
    from: `"select * from jobs where id = ? and fence = ? and state = 'running'"`,
    to: `"select * from jobs where id = ? and ? > 0 and state = 'running'"`,
    tests: storeTests,
  },
  {
    name: "a result is committed, and its job goes on",
    why: "The job would be rendered and committed a second time.",
    file: "src/store/attempt-ends.ts",
    from: `  endJob(database, row.id, { state: "succeeded", result });\n  database.record({\n    kind: "job.succeeded",`,
    to: `  queueAgain(database, row.id, database.clock.nowMs());\n  database.record({\n    kind: "job.succeeded",`,
    tests: storeTests,
  },
  {
    name: "a failed attempt is never queued again",
    why: "An acknowledged job would wait until its deadline.",
    file: "src/store/job-rows.ts",
    from: `    runAtMs,\n    jobId,\n  );\n}`,
    to: `    runAtMs * 2,\n    jobId,\n  );\n}`,
    tests: storeTests,
  },
  {
    name: "quarantine is off",
    why: "A job that ends every worker would end them for ever.",
    file: "src/store/attempt-ends.ts",
    from: "counted.deaths >= limits.quarantineDeaths && (isSame",
    to: "counted.deaths >= limits.quarantineDeaths * 1_000 && (isSame",
    tests: storeTests,
  },
  {
    name: "a suspect goes before others",
    why: "One bad job would keep everybody else waiting.",
    file: "src/store/claim.ts",
    from: "} and suspicion_at is null`;",
    to: "}`;",
    tests: storeTests,
  },
  {
    name: "a job ends because its place failed too often",
    why: "What was accepted ends by its own fault, its owner or its deadline alone.",
    file: "src/store/attempt-ends.ts",
    from: `if (failure.kind === "hostLoss") return again;`,
    to: `if (failure.kind === "hostLoss") return counted.hostLosses < 5 ? again : { ...again, kind: "failed" };`,
    tests: storeTests,
  },
  {
    name: "a cancel is ignored while a job is rendered",
    why: "Its owner would pay for a render that nobody wants.",
    file: "src/store/job-store.ts",
    from: `return row.is_cancel_requested === 1 ? "cancel" : "ok";`,
    to: `return "ok";`,
    tests: storeTests,
  },
  {
    name: "a stand-in for a job that wants to wait",
    why: "Its owner said that no stand-in is wanted.",
    file: "src/store/job-store.ts",
    from: "where state = 'queued' and fallback <> 'wait' and is_cancel_requested = 0",
    to: "where state = 'queued' and is_cancel_requested = 0",
    tests: storeTests,
  },
  {
    name: "deadlines never come",
    why: "A job that nothing can render would be owed for ever.",
    file: "src/store/sweeping.ts",
    from: "in ('queued', 'running') and deadline_at <= ? and is_cancel_requested = 0",
    to: "in ('queued', 'running') and deadline_at * 2 <= ? and is_cancel_requested = 0",
    tests: storeTests,
  },
  {
    name: "a repeated submission makes a second job",
    why: "A client that had no answer would pay twice.",
    file: "src/store/submissions.ts",
    from: "if (job.idempotencyKey === null) return undefined;",
    to: "if (job.idempotencyKey !== undefined) return undefined;",
    tests: storeTests,
  },
  {
    name: "a lease is renewed at three times its length",
    why: "A healthy render would lose its job.",
    file: "src/app/rendering/commit.ts",
    from: "Math.max(200, parts.config.leaseMs / 3)",
    to: "Math.max(200, parts.config.leaseMs * 3)",
    tests: ["test/app/rendering/commit.test.ts"],
  },
  {
    name: "a result is acknowledged to its worker before it is committed",
    why: "Power that fails in between takes the result with it.",
    file: "src/app/rendering/commit.ts",
    from: "  const acceptance = await acceptPatiently(",
    to: "  await parts.links.clientOf(workerId)?.acknowledge(jobId, lease.fence);\n  const acceptance = await acceptPatiently(",
    tests: durability,
  },
  {
    name: "a result is not synced before it gets its name",
    why: "After a loss of power the committed video is empty.",
    file: "src/store/artifact-files.ts",
    from: "    await file.sync();\n",
    to: "",
    tests: durability,
  },
  {
    name: "folders are not synced",
    why: "After a loss of power the committed video has no name.",
    file: "src/store/artifact-files.ts",
    from: "    await directory.sync();\n",
    to: "",
    tests: durability,
  },
  {
    name: "the database does not sync",
    why: "After a loss of power an acknowledged job is gone.",
    file: "src/store/database.ts",
    from: "pragma synchronous = full;",
    to: "pragma synchronous = off;",
    tests: durability,
  },
  {
    name: "a render that another attempt took over is adopted",
    why: "Two workers would render one job, and both would write.",
    file: "src/store/job-store.ts",
    from: `  const row = findHeld(database, { jobId, fence });
  if (row === undefined) return "stale";
  database.run(
    "update jobs set epoch`,
    to: `  const row = findJob(database, jobId);
  if (row === undefined) return "stale";
  database.run(
    "update jobs set epoch`,
    tests: storeTests,
  },
  {
    name: "cleaning takes the files of jobs that are told by nobody yet",
    why: "A webhook would be told of a job that is gone.",
    file: "src/store/sweeping.ts",
    from: "for (const { job_id } of telling) jobs.delete(job_id);",
    to: "for (const { job_id } of telling.slice(1_000)) jobs.delete(job_id);",
    tests: storeTests,
  },
];
