/**
 * Runs hours of the whole service on a virtual clock, with everything drawn from one seed: a run that failed can be
 * repeated exactly. `npm run simulate` and the tests start here.
 */
import { drawInteger } from "../../src/core/chance.ts";
import type { TimelineRow } from "../../src/core/events.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { checkEndOfWorld, checkNow } from "./checker.ts";
import { type AskedJob, submitJob } from "./client.ts";
import { strike } from "./faults.ts";
import { beginLife, type LifeOptions } from "./life.ts";
import type { OversightFigures } from "./oversight.ts";
import { probePromises } from "./probes.ts";
import { lookEveryMs } from "./standing.ts";
import { compareSurfaces } from "./surfaces.ts";
import { triggerRepair } from "./triggers.ts";
import { type Answers, createWorld, readTimeline, type World } from "./world.ts";

export interface SimulationOptions extends LifeOptions {
  readonly seed: number;
  readonly hours: number;
  /** Two to four by the seed. */
  readonly workers?: number;
  readonly jobsPerHour?: number;
  readonly faultsPerHour?: number;
  readonly crashesPerHour?: number;
  /** Goes on after the first problem, to count what there is. */
  readonly isPatient?: boolean;
  /** Sees every row, to look into a seed. */
  readonly onRow?: (row: TimelineRow) => void;
}

export interface SimulationFigures extends OversightFigures {
  readonly seed: number;
  readonly hours: number;
  readonly workers: number;
  readonly jobs: number;
  readonly faults: number;
  readonly crashes: number;
  readonly cancels: number;
  /** Answers about jobs that were compared with the truth. */
  readonly looks: number;
  readonly adoptions: number;
  readonly keptResults: number;
  readonly rows: number;
  readonly answers: Answers;
  /** Of the real answers: those that a stand-in had preceded. */
  readonly stoodInMeanwhile: number;
  readonly crashPlaces: ReadonlyMap<string, number>;
  /** By the name of the fault. */
  readonly faultCounts: ReadonlyMap<string, number>;
  /** From the opening of each incident that was repaired to its end. */
  readonly recoveryMs: readonly number[];
  /** SHA-256 over all event rows: the same seed gives the same. */
  readonly digest: string;
  /** Empty when every invariant held. */
  readonly problems: readonly string[];
}

const checkEveryMs = 20 * minuteMs;
/** Everything owed must arrive within this time once nothing breaks any more. */
const graceMs = 6 * hourMs;

/** Random moments, exponentially spaced, until the end. */
function schedule(world: World, perHour: number, untilMs: number, act: () => void): void {
  if (perHour <= 0) return;
  const waitMs = Math.max(1, Math.round((-Math.log(1 - world.chance.next()) * hourMs) / perHour));
  if (world.clock.nowMs() + waitMs > untilMs) return;
  world.clock.setTimer(() => {
    act();
    schedule(world, perHour, untilMs, act);
  }, waitMs);
}

const portOf = (call: string): string => call.replace(/\..*$/, "");

/** Half of the crashes come at any call from now on, which favours frequent calls; the others at a port and a call drawn by name. */
function armCrash(world: World): void {
  const { chance, current, seenCalls } = world;
  const draw = <Item>(items: readonly Item[]): Item | undefined => items[drawInteger(chance, 0, items.length - 1)];
  if (chance.next() < 0.5) {
    current?.points.arm(drawInteger(chance, 1, 60));
    return;
  }
  const calls = [...seenCalls];
  const port = draw([...new Set(calls.map(portOf))]);
  current?.points.arm(1, { only: draw(calls.filter((call) => portOf(call) === port)) });
}

const defectsPerHour = 0.5;
const probesPerHour = 0.2;
const triggersPerHour = 0.15;

type Submit = (asked?: AskedJob) => Promise<void>;

/** Looks at what is said, and at who could be served, until the end. */
function oversee(world: World, untilMs: number, submit: Submit): void {
  const { clock, oversight } = world;
  const look = (): void => {
    oversight.standing.look(world);
    if (clock.nowMs() < untilMs) clock.setTimer(look, lookEveryMs);
  };
  look();
  schedule(world, probesPerHour, untilMs, () => {
    void probePromises(world, (consent) => submit({ consent, isSmall: true }), compareSurfaces);
  });
  schedule(world, triggersPerHour, untilMs, () => void triggerRepair(world, oversight.triggers));
}

/** Hours of the whole service on a virtual clock: arrivals, faults, cancels and crashes of the supervisor, from one seed. */
export async function runSimulation(options: SimulationOptions): Promise<SimulationFigures> {
  const { seed, hours, workers, jobsPerHour = 6, faultsPerHour = 2.2, crashesPerHour = 0.5, onRow } = options;
  const world = createWorld(seed, options, workers);
  const { clock, counts, journal } = world;
  const untilMs = clock.nowMs() + hours * hourMs;
  let submissionCount = 0;
  const submit: Submit = (asked) => {
    submissionCount += 1;
    return submitJob(world, `job-${submissionCount}`, asked);
  };
  void beginLife(world);
  schedule(world, jobsPerHour, untilMs, () => void submit());
  schedule(world, faultsPerHour, untilMs, () => strike(world));
  schedule(world, crashesPerHour, untilMs, () => armCrash(world));
  if (options.jobFaults === true) schedule(world, defectsPerHour, untilMs, () => world.defectPlan.begin(clock.nowMs()));
  if (options.promises === true) oversee(world, untilMs, submit);
  const goOn = async (spanMs: number): Promise<void> => {
    await clock.advance(spanMs);
    await readTimeline(world, onRow);
    await checkNow(world);
  };
  while (clock.nowMs() < untilMs && (options.isPatient === true || world.problems.length === 0))
    await goOn(Math.min(checkEveryMs, untilMs - clock.nowMs()));
  world.isOver = true;
  world.current?.points.arm(Number.POSITIVE_INFINITY);
  const isUnsettled = async (): Promise<boolean> =>
    world.owed.size > 0 ||
    (options.promises === true && world.oversight.standing.findPoorModes(world).length > 0) ||
    (await world.observer.incidents.listOpen()).length > 0;
  for (let waitedMs = 0; waitedMs < graceMs && (waitedMs === 0 || (await isUnsettled())); waitedMs += checkEveryMs)
    await goOn(checkEveryMs);
  await clock.advance(secondMs);
  await readTimeline(world, onRow);
  await checkEndOfWorld(world);
  await world.observer.close();
  return {
    seed,
    hours,
    workers: world.config.workers.length,
    ...counts,
    ...world.oversight.figures(),
    adoptions: journal.adoptionCount,
    keptResults: journal.keptResultCount,
    rows: journal.rowCount,
    answers: world.answers,
    crashPlaces: world.crashPlaces,
    faultCounts: world.faultCounts,
    recoveryMs: journal.recoveryMs,
    digest: journal.digest(),
    problems: [...new Set([...world.problems, ...journal.problems])],
  };
}
