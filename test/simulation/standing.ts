/**
 * Looks every few seconds who could be served and is not: whether a worker is free and healthy in truth, and which mode
 * the service says. Who waits beside a free and healthy worker waits for another job's failure.
 */
import type { TimelineRow } from "../../src/core/events.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { type LoadProfile, loadProfiles, type ModelId, modelIds } from "../../src/core/words.ts";
import { isPlaceBlamed } from "./job-defects.ts";
import type { World } from "./world.ts";

export const lookEveryMs = 20 * secondMs;
/** So long another job's failure may keep a free worker from the next job. */
const longestWaitMs = 60 * secondMs;
/** What the world did before explains what comes within this time: a look back comes after ten minutes at the latest. */
const aftermathMs = 20 * minuteMs;
/** The failure of another job that a wait is blamed on came within this time before it. */
const causeMs = 30 * minuteMs;
/** A new supervisor first adopts or starts its workers. */
const settledAfterMs = minuteMs;
const keptMs = 3 * hourMs;

interface Wait {
  readonly jobId: string;
  readonly model: ModelId;
  readonly fromMs: number;
  untilMs: number | null;
  isJudged: boolean;
}

interface Look {
  readonly atMs: number;
  readonly freeModels: ReadonlySet<ModelId>;
}

export interface Standing {
  /** Notes how things are now, and what is wrong at once. */
  look(world: World): void;
  read(row: TimelineRow): void;
  /** Who waited too long; call after the timeline was read. */
  findLongWaits(world: World): string[];
  /** Workers that hold their model in a poorer memory mode than they could, with nobody beside them. */
  findPoorModes(world: World): string[];
  readonly problems: readonly string[];
}

const isKnownInnocent = ({ seeds, workerWorld }: World, jobId: string): boolean => {
  const seed = seeds.get(jobId);
  return seed !== undefined && !workerWorld.defects.has(seed);
};

/** Evidence that blames the place stops it for everybody, and rightly. */
function isToBlame(world: World, jobId: string): boolean {
  const defect = world.defectOf(jobId);
  return defect !== undefined && !isPlaceBlamed(defect);
}

/** The longest time within the span in which every look found a free worker for the model. */
function longestFreeMs(looks: readonly Look[], model: ModelId, fromMs: number, untilMs: number): number {
  let longestMs = 0;
  let sinceMs: number | null = null;
  for (const { atMs, freeModels } of looks) {
    if (atMs < fromMs || atMs > untilMs) continue;
    sinceMs = freeModels.has(model) ? (sinceMs ?? atMs) : null;
    if (sinceMs !== null) longestMs = Math.max(longestMs, atMs - sinceMs);
  }
  return longestMs;
}

const poorness = (profile: LoadProfile): number => loadProfiles.indexOf(profile);

export function createStanding(): Standing {
  let looks: Look[] = [];
  let waits: Wait[] = [];
  let failures: { readonly jobId: string; readonly atMs: number }[] = [];
  let bornAtMs = 0;
  let isMockNeedless = false;
  const problems: string[] = [];
  const richest = new Map<string, LoadProfile>();
  const begin = (jobId: string, model: ModelId, fromMs: number): void => {
    waits.push({ jobId, model, fromMs, untilMs: null, isJudged: false });
  };
  const end = (jobId: string, untilMs: number): void => {
    const wait = waits.find((one) => one.jobId === jobId);
    if (wait !== undefined) wait.untilMs ??= untilMs;
  };
  const noteModes = (world: World): void => {
    for (const { isAlive, model, profile } of world.workers.values()) {
      if (!isAlive || model === null || profile === null) continue;
      const known = richest.get(model);
      if (known === undefined || poorness(profile) < poorness(known)) richest.set(model, profile);
    }
  };
  return {
    look: (world) => {
      const { clock, current, workers, config, disturbances } = world;
      const nowMs = clock.nowMs();
      noteModes(world);
      const isSettled = current !== null && nowMs - bornAtMs > settledAfterMs;
      const all = [...workers.values()];
      const free: readonly ModelId[] = isSettled
        ? modelIds.filter((model) => all.some((worker) => worker.couldRender(model)))
        : [];
      looks.push({ atMs: nowMs, freeModels: new Set(free) });
      const isNeedless =
        current?.service.supervisor.getSnapshot().context.mode === "mock" && free.includes(config.lead);
      const wasNeedless = isMockNeedless;
      isMockNeedless = isNeedless;
      // A worker that has just come back is asked for its test render first.
      if (isNeedless && wasNeedless && disturbances.findWithin(nowMs - aftermathMs, nowMs) === null)
        problems.push("the mode is mock, and a test render of the main model would pass");
    },
    read: (row) => {
      const { kind, jobId, atMs } = row;
      if (kind === "service.started") bornAtMs = atMs;
      if (jobId === null) return;
      if (row.kind === "job.submitted") begin(jobId, row.data.model, atMs);
      else if (["job.claimed", "job.succeeded", "job.failed", "job.cancelled", "job.expired"].includes(kind))
        end(jobId, atMs);
      if (["job.retried", "job.failed", "job.quarantined", "job.released"].includes(kind))
        failures.push({ jobId, atMs });
    },
    findLongWaits: (world) => {
      const nowMs = world.clock.nowMs();
      const found: string[] = [];
      for (const wait of waits) {
        const { jobId, model, fromMs } = wait;
        const untilMs = wait.untilMs ?? nowMs;
        if (wait.isJudged || !isKnownInnocent(world, jobId)) continue;
        const freeMs = longestFreeMs(looks, model, fromMs, untilMs);
        const cause = failures.find(
          (failure) =>
            failure.jobId !== jobId &&
            failure.atMs >= fromMs - causeMs &&
            failure.atMs <= untilMs &&
            isToBlame(world, failure.jobId),
        );
        if (freeMs <= longestWaitMs || cause === undefined) continue;
        if (world.disturbances.findWithin(fromMs - aftermathMs, untilMs) !== null) continue;
        wait.isJudged = true;
        found.push(
          `job ${jobId} waited ${Math.round(freeMs / secondMs)} s beside a free and healthy worker, after job ${cause.jobId} had failed by its own defect`,
        );
      }
      looks = looks.filter(({ atMs }) => nowMs - atMs < keptMs);
      failures = failures.filter(({ atMs }) => nowMs - atMs < keptMs);
      waits = waits.filter(({ untilMs, isJudged }) => untilMs === null && !isJudged);
      return found;
    },
    findPoorModes: ({ workers }) =>
      [...workers].flatMap(([workerId, { isAlive, model, profile, leakBytes }]) => {
        const best = model === null ? undefined : richest.get(model);
        if (!isAlive || profile === null || best === undefined || leakBytes > 0) return [];
        return poorness(profile) > poorness(best)
          ? [`${workerId} holds ${model} in ${profile} long after the last fault, and once held it in ${best}`]
          : [];
      }),
    problems,
  };
}
