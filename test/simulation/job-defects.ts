/**
 * Defects that belong to a job: every worker fails every attempt of it alike, although each passes its test render. A
 * defect is known by the seed of the request, which no change of the request takes away.
 */
import { type Chance, drawInteger } from "../../src/core/chance.ts";
import type { DeviceMemory, Fault, WorkerFailure } from "../../src/core/fault.ts";
import type { ProbeOrder } from "../../src/core/ports/worker.ts";
import { minuteMs } from "../../src/core/units.ts";
import { type Phase, phases } from "../../src/core/words.ts";
import { isBroughtByJob, isConclusive, type Recurrence } from "../../src/recovery/blame.ts";
import { classify } from "../../src/recovery/classify.ts";
import { libraryErrorNames } from "../../src/workers/simulator/library-errors.ts";
import { failureOf, ownErrors } from "./sim-failures.ts";
import type { Armed, ArmedFault } from "./sim-worker-types.ts";

export interface Defect extends Armed {
  /** Attempts and repeated phases that still fail; infinite for one that lasts. */
  timesLeft: number;
}

/** By the seed of the request. */
export type Defects = Map<number, Defect>;

const plainFaults = [
  "crash",
  "exit",
  "hang",
  "stall",
  "oom",
  "poison",
  "corrupt",
] as const satisfies readonly ArmedFault[];
/** What the request's own check says is told of the request already. */
const raisedNames = [...Object.keys(ownErrors), ...libraryErrorNames];

/** One in four passes after some tries. */
const passingRatio = 0.25;
const longestSpanMs = 40 * minuteMs;

function drawPhase(chance: Chance, fault: ArmedFault, stepCount: number): Pick<Armed, "phase" | "atStep"> {
  if (fault === "corrupt") return { phase: "mux", atStep: 0 };
  if (chance.next() < 0.5) return { phase: "denoise", atStep: drawInteger(chance, 0, stepCount - 1) };
  return { phase: phases[drawInteger(chance, 0, phases.length - 1)] ?? "encode", atStep: 0 };
}

/** Half of them raise something, in the words of a library or in their own. */
function drawDefect(chance: Chance, stepCount: number): Defect {
  const draw = <Item>(items: readonly Item[]): Item => items[drawInteger(chance, 0, items.length - 1)] as Item;
  const fault: ArmedFault = chance.next() < 0.6 ? "raise" : draw(plainFaults);
  const timesLeft = chance.next() < passingRatio ? drawInteger(chance, 1, 2) : Number.POSITIVE_INFINITY;
  const named = fault === "raise" ? { errorName: draw(raisedNames) } : {};
  return { fault, ...drawPhase(chance, fault, stepCount), ...named, timesLeft };
}

/** Where defects are met. */
export interface DefectWorld {
  readonly defects: Defects;
  readonly onDefect: (defect: Defect) => void;
}

/** The phase of an attempt, or of a proof, meets the defect of its request now. */
export function meetDefect(
  { defects, onDefect }: DefectWorld,
  seed: number,
  phase: Phase,
  step: number,
): Defect | null {
  const defect = defects.get(seed);
  if (defect === undefined || defect.timesLeft <= 0 || defect.phase !== phase || step < defect.atStep) return null;
  defect.timesLeft -= 1;
  onDefect(defect);
  return defect;
}

/** A phase that is run again meets the defect of its request as an attempt does. */
export function failureInProof(world: DefectWorld, order: ProbeOrder, memory: DeviceMemory): WorkerFailure | null {
  if (order.kind !== "phase") return null;
  const { phase, request } = order;
  const defect = meetDefect(world, request.seed, phase, Number.POSITIVE_INFINITY);
  return defect === null ? null : { ...failureOf(defect), phase, step: null, causes: [], memory };
}

type Told = Pick<Armed, "fault" | "errorName" | "phase">;

/** The fault in which a place says of itself that it failed; null where the defect tells another, or none. */
function faultOfPlace(defect: Told): Fault | null {
  if (!["raise", "oom", "poison"].includes(defect.fault)) return null;
  const workerFailure = { ...failureOf(defect), phase: defect.phase, step: null, causes: [], memory: null };
  const fault = classify({ workerFailure });
  return fault.attribution !== "request" && isConclusive(fault) ? fault : null;
}

/** What a place says of itself when it fails is believed at first. */
export const isPlaceBlamed = (defect: Told): boolean => faultOfPlace(defect) !== null;

const again: Recurrence = { processCount: Number.POSITIVE_INFINITY, hasOtherSucceeded: true, hasSameUnderOther: false };

/** No job can bring such a fault, however often it comes: this one waits until its deadline. */
export function isNeverBlamed(defect: Told): boolean {
  const fault = faultOfPlace(defect);
  return fault !== null && !isBroughtByJob(fault, again);
}

/** These take the worker from everybody for a while, and no repair can be as quick as a promise. */
const takesWorker: readonly ArmedFault[] = ["crash", "exit", "hang", "stall"];

/** What a defect does to the others, beside failing its own job; null when it leaves its worker as it was. */
export function harmOf(defect: Defect): "place" | "worker" | null {
  if (isPlaceBlamed(defect)) return "place";
  return takesWorker.includes(defect.fault) ? "worker" : null;
}

/** Which of the jobs to come are defective: one, several alike, or all of a while. */
export interface DefectPlan {
  /** Called with each new job's seed. */
  note(seed: number, nowMs: number): void;
  begin(nowMs: number): void;
}

export function createDefectPlan(chance: Chance, defects: Defects, stepCount: number): DefectPlan {
  let pattern: Defect | null = null;
  let leftCount = 0;
  let untilMs = 0;
  return {
    begin: (nowMs) => {
      pattern = drawDefect(chance, stepCount);
      const drawn = chance.next();
      if (drawn < 0.6) leftCount = 1;
      else if (drawn < 0.85) leftCount = drawInteger(chance, 2, 4);
      else untilMs = nowMs + drawInteger(chance, minuteMs, longestSpanMs);
    },
    note: (seed, nowMs) => {
      if (pattern === null || (leftCount <= 0 && nowMs > untilMs)) return;
      leftCount = Math.max(0, leftCount - 1);
      defects.set(seed, { ...pattern });
    },
  };
}
