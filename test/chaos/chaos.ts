import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Chance, createSeededChance, drawInteger } from "../../src/core/chance.ts";
import { findProcesses } from "../harness/processes.ts";
import { clock, endService, type RunningService, smallJob, startService, until } from "../harness/running-service.ts";

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  readonly stateDir: string;
  /** How long a stopped process stays stopped, and the lease that it overlaps. */
  readonly stopMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly report: (line: string) => void;
}

export interface ChaosFigures {
  readonly kills: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly succeeded: number;
  readonly otherStates: Readonly<Record<string, number>>;
  readonly committedTwice: number;
  readonly lost: number;
  readonly resubmissions: number;
  readonly seconds: number;
}

interface Run {
  readonly options: ChaosOptions;
  readonly chance: Chance;
  readonly acknowledged: Set<string>;
  readonly kills: Record<string, number>;
  service: RunningService;
  resubmissions: number;
  isOver: boolean;
}

async function submitUntilAnswered(run: Run, key: string): Promise<string | null> {
  for (let tries = 0; !run.isOver || tries === 0; tries += 1) {
    if (tries > 0) run.resubmissions += 1;
    try {
      return await run.service.submit({ ...smallJob, steps: 6 }, { "idempotency-key": key });
    } catch {
      // Refused, cut off or not there: the client does what clients do, with the same key.
      await clock.sleep(150);
    }
  }
  return null;
}

/** A client that keeps a few jobs waiting for as long as the chaos lasts. */
async function keepSubmitting(run: Run): Promise<void> {
  for (let number = 0; !run.isOver; number += 1) {
    const id = await submitUntilAnswered(run, `chaos-${run.options.seed}-${number}`);
    if (id !== null) run.acknowledged.add(id);
    await clock.sleep(drawInteger(run.chance, 300, 1_500));
  }
}

function killPid(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw thrown;
  }
}

async function restart(run: Run): Promise<void> {
  await run.service.ended;
  run.service = await startService({ stateDir: run.options.stateDir, env: run.options.env });
}

const strikes: Readonly<Record<string, (run: Run) => Promise<boolean>>> = {
  worker: async (run) => killPid(run.service.worker()?.pid, "SIGKILL"),
  media: async (run) => killPid(findProcesses("media-child").find((found) => found.parentPid === run.service.pid)?.pid, "SIGKILL"),
  supervisor: async (run) => {
    killPid(run.service.pid, "SIGKILL");
    await restart(run);
    return true;
  },
  both: async (run) => {
    killPid(run.service.worker()?.pid, "SIGKILL");
    killPid(run.service.pid, "SIGKILL");
    await restart(run);
    return true;
  },
  "stopped worker": async (run) => killPid(run.service.worker()?.pid, "SIGSTOP"),
  "stopped supervisor": async (run) => {
    killPid(run.service.pid, "SIGSTOP");
    await clock.sleep(run.options.stopMs);
    return killPid(run.service.pid, "SIGCONT");
  },
};
const weights = ["worker", "worker", "worker", "supervisor", "supervisor", "supervisor", "media", "media", "both", "both"];

async function strike(run: Run, number: number): Promise<void> {
  const { chance, options } = run;
  const isStop = number > 0 && number % 10 === 0;
  const name = isStop
    ? number % 20 === 0
      ? "stopped supervisor"
      : "stopped worker"
    : (weights[drawInteger(chance, 0, weights.length - 1)] ?? "worker");
  if (await strikes[name]?.(run)) {
    run.kills[name] = (run.kills[name] ?? 0) + 1;
    options.report(`${number + 1}/${options.kills} ${name}`);
  }
}

interface JobRow {
  readonly id: string;
  readonly state: string;
}

/** Looks into the store itself, after everything has ended: what was acknowledged against what is there. */
function examine(
  stateDir: string,
  acknowledged: ReadonlySet<string>,
): Pick<ChaosFigures, "succeeded" | "otherStates" | "committedTwice" | "lost"> {
  const database = new DatabaseSync(join(stateDir, "understudy.db"), { readOnly: true });
  try {
    const jobs = database.prepare("select id, state from jobs").all() as unknown as JobRow[];
    const stateOf = new Map(jobs.map((job) => [job.id, job.state]));
    const otherStates: Record<string, number> = {};
    for (const { state } of jobs) if (state !== "succeeded") otherStates[state] = (otherStates[state] ?? 0) + 1;
    const commits = database
      .prepare("select job_id, count(*) as commits from events where kind = 'job.succeeded' group by job_id having count(*) > 1")
      .all();
    return {
      succeeded: jobs.filter((job) => job.state === "succeeded").length,
      otherStates,
      committedTwice: commits.length,
      lost: [...acknowledged].filter((id) => !stateOf.has(id)).length,
    };
  } finally {
    database.close();
  }
}

/** A client submits while supervisor, worker and media child are killed and stopped; then everything owed must arrive. */
export async function runChaos(options: ChaosOptions): Promise<ChaosFigures> {
  const startedAtMs = clock.nowMs();
  const service = await startService({ stateDir: options.stateDir, env: options.env });
  const run: Run = {
    options,
    chance: createSeededChance(options.seed),
    acknowledged: new Set(),
    kills: {},
    service,
    resubmissions: 0,
    isOver: false,
  };
  const totalKills = (): number => Object.values(run.kills).reduce((sum, count) => sum + count, 0);
  try {
    const client = keepSubmitting(run);
    while (totalKills() < options.kills) {
      await clock.sleep(drawInteger(run.chance, 200, 1_800));
      await strike(run, totalKills());
    }
    run.isOver = true;
    await client;
    for (const id of run.acknowledged) await run.service.jobIn(id, ["completed", "failed", "cancelled"], 180_000);
    await until(
      "no real result is owed",
      async () => {
        const { body } = await run.service.json<{ pending_tasks: number; processing_tasks: number }>("/api/v1/queue");
        return body.pending_tasks + body.processing_tasks === 0;
      },
      300_000,
    );
  } finally {
    run.isOver = true;
    await endService(run.service);
  }
  const found = examine(options.stateDir, run.acknowledged);
  return {
    kills: run.kills,
    acknowledged: run.acknowledged.size,
    resubmissions: run.resubmissions,
    seconds: Math.round((clock.nowMs() - startedAtMs) / 1_000),
    ...found,
  };
}
