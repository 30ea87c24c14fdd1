/** Looks into the store itself, after everything has ended: what was promised against what is there. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { lookIntoStore } from "../harness/rows.ts";

export interface Findings {
  readonly succeeded: number;
  /** Jobs that ended in any other way; none may. */
  readonly otherStates: Readonly<Record<string, number>>;
  /** Acknowledged ids that the store does not know. */
  readonly lost: number;
  readonly committedTwice: number;
  /** Succeeded jobs without a result, or whose file is missing or is not the one that was committed. */
  readonly brokenResults: number;
  /** Renders that repeated a step beyond their checkpoint: rendered and resumed steps must add up to what was asked. */
  readonly wrongStepCounts: number;
}

interface Stored {
  readonly jobs: readonly { readonly id: string; readonly state: string; readonly steps: number }[];
  readonly results: readonly { readonly jobId: string; readonly name: string; readonly sha256: string }[];
  readonly commits: readonly { readonly jobId: string; readonly times: number }[];
  readonly renders: readonly { readonly jobId: string; readonly steps: number }[];
}

const read = (stateDir: string): Stored =>
  lookIntoStore(stateDir, (database) => {
    const all = <Found>(sql: string): Found[] => database.prepare(sql).all() as unknown as Found[];
    return {
      jobs: all("select id, state, json_extract(spec, '$.request.steps') as steps from jobs"),
      results: all("select job_id as jobId, name, sha256 from artifacts where kind = 'result'"),
      commits: all(
        "select job_id as jobId, count(*) as times from events where kind = 'job.succeeded' group by job_id",
      ),
      renders: all(
        "select job_id as jobId, json_extract(data, '$.steps_rendered') + json_extract(data, '$.resumed_from_step') as steps from events where kind = 'render.completed'",
      ),
    };
  });

function isWhole(stateDir: string, { name, sha256 }: { readonly name: string; readonly sha256: string }): boolean {
  try {
    const content = readFileSync(join(stateDir, "artifacts", name));
    return createHash("sha256").update(content).digest("hex") === sha256;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw thrown;
  }
}

export function examine(stateDir: string, acknowledged: ReadonlySet<string>): Findings {
  const { jobs, results, commits, renders } = read(stateDir);
  const stateOf = new Map(jobs.map((job) => [job.id, job.state]));
  const stepsOf = new Map(jobs.map((job) => [job.id, job.steps]));
  const resultOf = new Map(results.map((result) => [result.jobId, result]));
  const succeeded = jobs.filter((job) => job.state === "succeeded");
  const otherStates: Record<string, number> = {};
  for (const { state } of jobs) if (state !== "succeeded") otherStates[state] = (otherStates[state] ?? 0) + 1;
  const hasWholeResult = (id: string): boolean => {
    const result = resultOf.get(id);
    return result !== undefined && isWhole(stateDir, result);
  };
  return {
    succeeded: succeeded.length,
    otherStates,
    lost: [...acknowledged].filter((id) => !stateOf.has(id)).length,
    committedTwice: commits.filter(({ times }) => times > 1).length,
    brokenResults: succeeded.filter(({ id }) => !hasWholeResult(id)).length,
    wrongStepCounts: renders.filter(({ jobId, steps }) => stepsOf.get(jobId) !== steps).length,
  };
}
