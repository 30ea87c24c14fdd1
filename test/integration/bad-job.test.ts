/**
 * One order that a worker cannot render, on the real process in its default configuration: it is nobody's trouble but its
 * owner's. Cards of the simulator play the failure, each time that the job is tried.
 */
import { afterEach, describe, expect, it } from "vitest";
import { rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

let service: RunningService | null = null;
let remove = (): void => undefined;
afterEach(async () => {
  if (service !== null) await endService(service);
  service = null;
  remove();
});

async function start(args: readonly string[]): Promise<RunningService> {
  const { path, remove: removeDirectory } = makeStateDir();
  remove = removeDirectory;
  service = await startService({ stateDir: path, args });
  await isReady(service);
  return service;
}

/** Looks at the mode all the time; answers every mode that was seen. */
function watchMode({ json }: RunningService): () => Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      seen.add((await json<{ mode: string }>("/readyz")).body.mode);
      await clock.sleep(20);
    }
  })().catch((thrown: unknown) => seen.add(String(thrown)));
  return async () => {
    isOver = true;
    await watching;
    return seen;
  };
}

async function spanOf(work: () => Promise<unknown>): Promise<number> {
  const beganMs = clock.nowMs();
  await work();
  return clock.nowMs() - beganMs;
}

interface Statistics {
  readonly recovery_statistics: { readonly total_attempts: number; readonly success_rate: number };
}

const statisticsOf = async ({ json }: RunningService): Promise<Statistics["recovery_statistics"]> =>
  (await json<Statistics>("/api/v1/recovery/status")).body.recovery_statistics;

const attemptsOf = ({ stateDir }: RunningService, id: string): number =>
  rowsSince(stateDir).filter(({ kind, jobId }) => kind === "render.began" && jobId === id).length;

const waitAllowedMs = 10_000;

describe.each([
  ["one worker", []],
  ["two workers", ["--sim-gpus", "2"]],
] as const)("a job that always fails by an error, with %s", (_, args) => {
  it.each(["raise:offload-conflict@denoise:2", "black@mux"])(
    "(%s) costs the jobs behind it no more than ten seconds, and ends within three attempts",
    { timeout: 240_000 },
    async (card) => {
      const running = await start(args);
      const aloneMs = await spanOf(async () => delivered(running, await running.submit()));
      const modes = watchMode(running);
      const bad = await running.submit({ prompt: `a fox [[sim:${card}x20]]` });
      const healthy = [await running.submit(), await running.submit()];
      const waitedMs = await spanOf(async () => {
        for (const id of healthy) await delivered(running, id);
      });
      expect(waitedMs).toBeLessThan(healthy.length * aloneMs + waitAllowedMs);
      // A stand-in may be shown for it, so that its own row tells how it ended.
      await until(
        "the bad job has failed",
        () => rowsSince(running.stateDir).some(({ kind, jobId }) => kind === "job.failed" && jobId === bad),
        120_000,
      );
      expect(attemptsOf(running, bad)).toBeLessThanOrEqual(3);
      const countOf = (wanted: string): number =>
        rowsSince(running.stateDir).filter(({ kind }) => kind === wanted).length;
      await until("its incidents are over", () => countOf("incident.closed") === countOf("incident.opened"));
      // A fresh process, in which it is tried again, loads the model once more.
      expect(["ready", "loading", "degraded"]).toEqual(expect.arrayContaining([...(await modes())]));
      const rows = rowsSince(running.stateDir);
      expect(rows.filter(({ kind }) => kind === "rung.ended" || kind === "incident.stoodIn")).toEqual([]);
      const blames = rows.filter(({ kind }) => kind === "blame.settled").map(({ data }) => data["blame"]);
      expect(new Set(blames)).toEqual(new Set(["job"]));
      expect(await statisticsOf(running)).toMatchObject({ total_attempts: 0, success_rate: 0 });
      await delivered(running, await running.submit());
    },
  );
});
