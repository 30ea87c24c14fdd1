/**
 * Kills and stops the processes of a real service while a client submits, then counts what was lost. `npm run chaos`
 * runs it for long, a test for a few kills.
 */
import { type Chance, createSeededChance, drawInteger } from "../../src/core/chance.ts";
import { findProcessesOf } from "../harness/processes.ts";
import { clock, endService, type RunningService, smallJob, startService, until } from "../harness/running-service.ts";
import { examine, type Findings } from "./checker.ts";
import { planStrikes, strikes } from "./strikes.ts";

/** High limits, so that nothing is given up for the number of kills alone: every job must succeed. */
export const generousLimits: Readonly<Record<string, string>> = {
  UNDERSTUDY_QUEUE_QUARANTINE_DEATHS: "100",
  UNDERSTUDY_QUEUE_ATTEMPTS: "1000",
  UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100000",
  // A worker that waits for minutes before it starts again is no target.
  UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "2s",
  UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "100000",
  UNDERSTUDY_RECOVERY_BREAKER_REPAIRS: "100",
};

export interface ChaosOptions {
  readonly kills: number;
  readonly seed: number;
  readonly stateDir: string;
  /** How long a stopped supervisor stays stopped; longer than its lease. */
  readonly stopMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly report: (line: string) => void;
}

export interface ChaosFigures extends Findings {
  readonly kills: Readonly<Record<string, number>>;
  readonly killCount: number;
  readonly acknowledged: number;
  /** Submissions that a client repeated with the same key, because it had no answer. */
  readonly resubmissions: number;
  /** Keys that were answered with another id than the first time. */
  readonly strayedKeys: number;
  /** Processes that outlived a clean stop of the service. */
  readonly leftBehind: number;
  readonly seconds: number;
}

interface Run {
  readonly options: ChaosOptions;
  readonly chance: Chance;
  /** Keys of the client, with the id that each was answered with. */
  readonly acknowledged: Map<string, string>;
  readonly kills: Record<string, number>;
  service: RunningService;
  resubmissions: number;
  isOver: boolean;
}

const clientPatienceMs = 5_000;
const targetPatienceMs = 15_000;

/** Submits with this key; null when the service refused, cut the connection off, was not there or did not answer in time. */
async function submitOnce(run: Run, key: string): Promise<string | null> {
  const answer = run.service.submit({ ...smallJob, steps: 6 }, { "idempotency-key": key });
  return Promise.race([answer.catch(() => null), clock.sleep(clientPatienceMs).then(() => null)]);
}

/** A client that keeps a few jobs waiting for as long as the chaos lasts, and repeats what was not answered. */
async function keepSubmitting(run: Run): Promise<void> {
  for (let number = 0; !run.isOver; number += 1) {
    const key = `chaos-${run.options.seed}-${number}`;
    let id = await submitOnce(run, key);
    while (id === null && !run.isOver) {
      run.resubmissions += 1;
      await clock.sleep(150);
      id = await submitOnce(run, key);
    }
    if (id !== null) run.acknowledged.set(key, id);
    await clock.sleep(drawInteger(run.chance, 300, 1_500));
  }
}

async function strikeAll(run: Run): Promise<void> {
  const { options } = run;
  const target = {
    get service() {
      return run.service;
    },
    stopMs: options.stopMs,
    restart: async () => {
      await run.service.ended;
      run.service = await startService({ stateDir: options.stateDir, env: options.env });
    },
  };
  for (const [index, { name, waitMs }] of planStrikes(options.seed, options.kills).entries()) {
    await clock.sleep(waitMs);
    await until(`there is a target for "${name}"`, () => strikes[name](target), targetPatienceMs);
    run.kills[name] = (run.kills[name] ?? 0) + 1;
    options.report(`${index + 1}/${options.kills} ${name}`);
  }
}

async function untilNothingIsOwed(run: Run): Promise<void> {
  await until(
    "no real result is owed",
    async () => {
      const { body } = await run.service.json<{ pending_tasks: number; processing_tasks: number }>("/api/v1/queue");
      return body.pending_tasks + body.processing_tasks === 0;
    },
    600_000,
  );
}

async function countStrayedKeys(run: Run): Promise<number> {
  let count = 0;
  for (const [key, id] of run.acknowledged) if ((await submitOnce(run, key)) !== id) count += 1;
  return count;
}

async function countLeftBehind(run: Run): Promise<number> {
  run.service.process.kill("SIGTERM");
  await Promise.race([run.service.ended, clock.sleep(10_000)]);
  return findProcessesOf(run.options.stateDir).length;
}

/** A client submits while supervisor, worker and media child are killed and stopped; then everything owed must arrive. */
export async function runChaos(options: ChaosOptions): Promise<ChaosFigures> {
  const startedAtMs = clock.nowMs();
  const service = await startService({ stateDir: options.stateDir, env: options.env });
  const chance = createSeededChance(options.seed);
  const run: Run = { options, chance, acknowledged: new Map(), kills: {}, service, resubmissions: 0, isOver: false };
  try {
    const client = keepSubmitting(run);
    await strikeAll(run).finally(() => {
      run.isOver = true;
    });
    await client;
    await untilNothingIsOwed(run);
    const strayedKeys = await countStrayedKeys(run);
    const leftBehind = await countLeftBehind(run);
    return {
      kills: run.kills,
      killCount: Object.values(run.kills).reduce((sum, count) => sum + count, 0),
      acknowledged: run.acknowledged.size,
      resubmissions: run.resubmissions,
      strayedKeys,
      leftBehind,
      ...examine(options.stateDir, new Set(run.acknowledged.values())),
      seconds: Math.round((clock.nowMs() - startedAtMs) / 1_000),
    };
  } finally {
    await endService(run.service);
  }
}

/** Sentences about what must not be; none when everything held. */
export function violationsOf(figures: ChaosFigures): string[] {
  const others = Object.entries(figures.otherStates).map(([state, count]) => `${count} jobs are ${state}`);
  const counts: readonly (readonly [number, string])[] = [
    [figures.lost, "acknowledged jobs are lost"],
    [figures.committedTwice, "jobs were committed more than once"],
    [figures.brokenResults, "results are missing or damaged"],
    [figures.wrongStepCounts, "renders do not add up to the steps that were asked for"],
    [figures.strayedKeys, "keys were answered with another job than before"],
    [figures.leftBehind, "processes outlived the stop"],
  ];
  return [...others, ...counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)];
}
