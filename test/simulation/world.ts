/** What outlives every supervisor of a simulated world, and the records by which the world is judged. */
import { parseConfig } from "../../src/config/parse-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { type Chance, createSeededChance } from "../../src/core/chance.ts";
import type { TimelineRow } from "../../src/core/events.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import { gibibyte, secondMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import type { FallbackConsent } from "../../src/core/words.ts";
import { openStore, type StoreOptions } from "../../src/store/open-store.ts";
import { createDisturbances, type Disturbances } from "./disturbances.ts";
import { createDefectPlan, type Defect, type DefectPlan, type Defects, harmOf } from "./job-defects.ts";
import { createJournal, type Journal } from "./journal.ts";
import type { Life, LifeOptions } from "./life.ts";
import { createOversight, type Oversight } from "./oversight.ts";
import { createSickCards, type SickCards } from "./sick-cards.ts";
import { stepsPerJob } from "./sim-attempt.ts";
import type { SimModels } from "./sim-models.ts";
import type { SimDisk } from "./sim-ports.ts";
import type { SimWorker } from "./sim-worker.ts";
import { type DeviceWeather, deviceTotalBytes, type SimWorkerWorld } from "./sim-worker-types.ts";
import { createTroubles, type Troubles } from "./troubles.ts";
import { createStays, type Stays } from "./waits.ts";

export interface OwedJob {
  readonly consent: FallbackConsent;
  readonly acknowledgedAtMs: number;
  isCancelAsked: boolean;
}

/** How jobs ended for their clients. */
export interface Answers {
  /** As it was asked. */
  real: number;
  /** Real, in the smaller form that the job had allowed. */
  changed: number;
  standIn: number;
  refused: number;
  cancelled: number;
}

/**
 * Everything that outlives a supervisor: database, disk, workers, clients. One seed in three keeps the product's own limits
 * of deaths, attempts and budget, so jobs may be set aside; the others must deliver every job.
 */
export interface World {
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly config: Config;
  readonly storeOptions: Omit<StoreOptions, "clock">;
  readonly mayGiveUp: boolean;
  /** A connection of its own that only reads; it also keeps the database in memory between two lives. */
  readonly observer: Store;
  readonly workerWorld: SimWorkerWorld;
  readonly workers: Map<string, SimWorker>;
  readonly disk: SimDisk;
  readonly models: SimModels;
  readonly troubles: Troubles;
  readonly journal: Journal;
  readonly stays: Stays;
  readonly disturbances: Disturbances;
  readonly sickCards: SickCards;
  readonly defectPlan: DefectPlan;
  /** Seeds of the requests, by the acknowledged job. */
  readonly seeds: Map<string, number>;
  /** The defect that the job carries, so that its end may be its own. */
  defectOf(jobId: string): Defect | undefined;
  readonly oversight: Oversight;
  readonly seenCalls: Set<string>;
  /** `before jobs.commit` → how often a life ended there. */
  readonly crashPlaces: Map<string, number>;
  /** By the name of the strike. */
  readonly faultCounts: Map<string, number>;
  /** Acknowledged, and not yet seen to have ended well. */
  readonly owed: Map<string, OwedJob>;
  readonly problems: string[];
  readonly answers: Answers;
  readonly counts: {
    jobs: number;
    seeds: number;
    faults: number;
    crashes: number;
    cancels: number;
    looks: number;
    stoodInMeanwhile: number;
  };
  readonly lifeOptions: LifeOptions;
  current: Life | null;
  isOver: boolean;
  lastReadSeq: number;
}

let databaseCount = 0;

const generous = { "recovery.budgetActions": "100000", "supervision.crashLoopDeaths": "100000" };
const generousStore = { quarantineDeaths: 100, maxAttempts: 1_000 };

/** Two, three or four cards, by the seed; with faults of jobs also one. */
const drawWorkerCount = (seed: number, fewest: number): number => fewest + (Math.floor(seed / 3) % (5 - fewest));

/** Beside a neighbour of this size large requests fit in a leaner memory mode; beside a crowd they do not fit at all. */
const neighbourBytes = deviceTotalBytes / 2 + 2 * gibibyte;
const crowdBytes = deviceTotalBytes - 23 * gibibyte;

const weatherOf = ({ isIn }: Troubles, sickness: SickCards): DeviceWeather => ({
  sickness,
  neighbourBytesOf: (deviceUuid) => {
    if (isIn("crowd")) return crowdBytes;
    return isIn(`neighbour ${deviceUuid}`) ? neighbourBytes : 0;
  },
  isLost: (deviceUuid) => isIn(`cardLost ${deviceUuid}`),
});

function readConfig(mayGiveUp: boolean, workerCount: number): Config {
  const answer = parseConfig({
    environment: { HOME: "/nowhere", UNDERSTUDY_LOG_LEVEL: "silent" },
    flags: { "health.sample": "60s", "sim.gpus": String(workerCount), ...(mayGiveUp ? {} : generous) },
  });
  if (answer.kind === "refused") throw new Error(answer.message);
  return answer.config;
}

export function createWorld(
  seed: number,
  lifeOptions: LifeOptions,
  workerCount = drawWorkerCount(seed, lifeOptions.jobFaults === true ? 1 : 2),
): World {
  const clock = createVirtualClock();
  const troubles = createTroubles(clock);
  const models: SimModels = { broken: new Set(), found: new Set() };
  const blamedJobs = new Set<string>();
  const chance = createSeededChance(seed);
  const mayGiveUp = seed % 3 === 0;
  databaseCount += 1;
  const storeOptions = {
    path: `file:/simulation-${databaseCount}?vfs=memdb`,
    ...(mayGiveUp || lifeOptions.jobFaults === true ? {} : generousStore),
  };
  const keptAttempts = new Set<string>();
  const disturbances = createDisturbances();
  const sickCards = createSickCards(clock, disturbances);
  const defects: Defects = new Map();
  const seeds = new Map<string, number>();
  const onStruck = (what: string, jobId: string | null): void => {
    disturbances.note(what, clock.nowMs());
    if (jobId !== null) disturbances.hit(jobId);
  };
  return {
    clock,
    chance,
    config: readConfig(mayGiveUp, workerCount),
    storeOptions,
    mayGiveUp,
    observer: openStore({ ...storeOptions, clock }),
    workerWorld: {
      clock,
      chance,
      catalog: createModelCatalog(),
      weather: weatherOf(troubles, sickCards),
      brokenModels: models.broken,
      blamedJobs,
      defects,
      onStruck,
      onDefect: (defect) => {
        const harm = harmOf(defect);
        if (harm === "place") disturbances.note("a defect that blames the place", clock.nowMs());
        else if (harm === "worker") disturbances.noteLoss("a defect that takes its worker", clock.nowMs());
      },
      checkpoints: new Map(),
      files: new Map(),
      keptAttempts,
      stepMs: 12 * secondMs,
      heartbeatMs: 5 * secondMs,
      checkpointEverySteps: 2,
    },
    workers: new Map(),
    disk: { published: new Map() },
    models,
    troubles,
    journal: createJournal(keptAttempts),
    stays: createStays(),
    disturbances,
    sickCards,
    defectPlan: createDefectPlan(chance, defects, stepsPerJob),
    seeds,
    defectOf: (jobId) => defects.get(seeds.get(jobId) ?? Number.NaN),
    oversight: createOversight(),
    seenCalls: new Set(),
    crashPlaces: new Map(),
    faultCounts: new Map(),
    owed: new Map(),
    problems: [],
    answers: { real: 0, changed: 0, standIn: 0, refused: 0, cancelled: 0 },
    counts: { jobs: 0, seeds: 0, faults: 0, crashes: 0, cancels: 0, looks: 0, stoodInMeanwhile: 0 },
    lifeOptions,
    current: null,
    isOver: false,
    lastReadSeq: 0,
  };
}

const pageRows = 1_000;

/** Reads what was written since the last time: rows as they lie in the database, also those whose writer died right after. */
export async function readTimeline(world: World, onRow?: (row: TimelineRow) => void): Promise<void> {
  for (;;) {
    const rows = await world.observer.events.range(world.lastReadSeq, pageRows);
    for (const row of rows) {
      world.journal.read(row);
      world.stays.read(row);
      world.oversight.read(row);
      const lie = world.sickCards.findLie(row);
      if (lie !== null) world.problems.push(lie);
      onRow?.(row);
      world.lastReadSeq = row.seq;
    }
    if (rows.length < pageRows) return;
  }
}
