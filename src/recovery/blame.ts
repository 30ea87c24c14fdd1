/**
 * Who is to blame for a failed attempt: the job, the route (this worker with this model in this memory mode) or the
 * place. Conclusive evidence decides alone; everything else is a question that an experiment answers.
 */
import type { Fault } from "../core/fault.ts";
import { minuteMs } from "../core/units.ts";
import type { Blame, FaultClass } from "../core/words.ts";
import type { ProbeVerdict } from "./verdicts.ts";

/**
 * What these say is measured, counted or told by the driver, the kernel or the request's own check, and no test render
 * could say it better; with a lost context the process that could be asked is gone. `request` is the job's own fault; the
 * others are never one job's at first sight.
 */
const conclusiveClasses: ReadonlySet<FaultClass> = new Set<FaultClass>([
  "request",
  "loraUnsupported",
  "modelFile",
  "authentication",
  "notFound",
  "offlineMode",
  "outOfMemoryFragmented",
  "outOfMemoryNeighbour",
  "contextPoisoned",
  "gpuMemoryFault",
  "gpuLost",
  "gpuResetRequired",
  "gpuHardware",
  "driver",
  "multiGpu",
  "hostOomKiller",
  "diskFull",
  "workerConfiguration",
  "protocolMismatch",
  "onProcessor",
  "ownStop",
  "thermal",
]);

/**
 * Files and the hub are looked at when a model is fetched and loaded; what a library says of them in the middle of a
 * render is its words alone, and a test render that uses the same files knows better.
 */
const conclusiveOnlyWhenChecked: ReadonlySet<FaultClass> = new Set<FaultClass>([
  "modelFile",
  "authentication",
  "notFound",
  "offlineMode",
]);

/** Below this the classifier guessed, whatever it says. */
const guessedBelow = 0.6;

const isChecked = ({ faultClass, evidence }: Pick<Fault, "faultClass" | "evidence">): boolean =>
  !conclusiveOnlyWhenChecked.has(faultClass) || evidence.workerFailure === undefined;

/** Whether the evidence alone says who is to blame; otherwise a test render is asked first. */
export const isConclusive = (fault: Pick<Fault, "faultClass" | "confidence" | "evidence">): boolean =>
  conclusiveClasses.has(fault.faultClass) && fault.confidence >= guessedBelow && isChecked(fault);

/** What is known of the same failure of the same job before, and of the jobs around it. */
export interface Recurrence {
  /** Processes, other than the one that failed now, in which the job failed with this signature before. */
  readonly processCount: number;
  /** Since the first of these failures another job was rendered by the worker that failed now. */
  readonly hasOtherSucceeded: boolean;
  /** Another job failed alike within the last minutes. */
  readonly hasSameUnderOther: boolean;
}

/** Nothing like it was seen before. */
export const firstOfItsKind: Recurrence = { processCount: 0, hasOtherSucceeded: false, hasSameUnderOther: false };

type Recognise = (recurrence: Recurrence) => boolean;

/**
 * Others failed alike, and nothing speaks for the place: several jobs may each bring the same failure, and only a render in between
 * tells them from a worker that fails with everybody.
 */
export const isSharedWithOthers = ({ processCount, hasOtherSucceeded, hasSameUnderOther }: Recurrence): boolean =>
  hasSameUnderOther && !(processCount > 0 && hasOtherSucceeded);

/** Each process was proven by a test render before it took the job: one job alone that ends every one of them brings it along. */
const unlessOthersFailAlike: Recognise = (recurrence) => !isSharedWithOthers(recurrence);
/** The host's memory is everybody's: only the renders of others show that the host was well in between. */
const onlyWhereOthersSucceed: Recognise = ({ hasOtherSucceeded }) => hasOtherSucceeded;

/** With the waits between them, as many failures as these take ten minutes. */
const manyProcesses = 5;

/** A card may be sick by turns: the renders of others show that it was well in between, or many test renders, while nobody else fails. */
const wherePlaceIsWell: Recognise = ({ processCount, hasOtherSucceeded, hasSameUnderOther }) =>
  hasOtherSucceeded || (processCount >= manyProcesses && !hasSameUnderOther);

/**
 * Conclusive evidence that a job can bring about itself: a kernel that writes where it must not, an allocation that no
 * cleared cache makes room for, a request that takes the memory of the whole host. A neighbour's memory, a full disk, heat and configuration are never brought by a job.
 */
const bringable: Partial<Record<FaultClass, Recognise>> = {
  contextPoisoned: unlessOthersFailAlike,
  outOfMemoryFragmented: wherePlaceIsWell,
  gpuMemoryFault: wherePlaceIsWell,
  gpuLost: wherePlaceIsWell,
  gpuResetRequired: wherePlaceIsWell,
  gpuHardware: wherePlaceIsWell,
  driver: wherePlaceIsWell,
  multiGpu: wherePlaceIsWell,
  hostOomKiller: onlyWhereOthersSucceed,
};

/**
 * Whether a place that was found guilty is acquitted: the same job brought the same failure to a process that has only
 * the job in common with the first.
 */
export const isBroughtByJob = ({ faultClass }: Pick<Fault, "faultClass">, recurrence: Recurrence): boolean =>
  recurrence.processCount > 0 && (bringable[faultClass]?.(recurrence) ?? false);

/** What the experiment right after a failure showed. */
export interface Experiment {
  /** A test render on the same worker, in the same process. */
  readonly testRender: ProbeVerdict;
  /** Want of memory only: the failed phase again, in the job's own size; `unknown` elsewhere. */
  readonly failedPhase: ProbeVerdict;
  /** Jobs that failed with this signature within the last ten minutes, this one included. */
  readonly jobCount: number;
}

/** A test render that gave no answer speaks against the route: nobody is acquitted by silence. */
export function judgeBlame({ testRender, failedPhase, jobCount }: Experiment): Blame {
  if (testRender !== "passed") return "route";
  if (failedPhase === "failed") return "size";
  return jobCount >= 2 ? "route" : "job";
}

/** Why the blame falls so, in one sentence for people. */
export function reasonOfBlame({ testRender, failedPhase, jobCount }: Experiment): string {
  if (testRender === "failed") return "The test render right after the failure failed too.";
  if (testRender === "unknown") return "The test render right after the failure gave no answer.";
  if (failedPhase === "failed")
    return "The test render passes, and the failed phase fails again: this size does not fit in this memory mode.";
  return jobCount >= 2
    ? `The test render passes, but ${jobCount} jobs failed alike within ten minutes.`
    : "The test render passes, and no other job failed like this.";
}

/** Why the blame falls back on the jobs: nothing that was done to the worker changed their failure. */
export const ladderWasInVain = "Every repair was tried, and the test render passes: what failed is of the jobs alone.";

/** So far back another job's failure of the same signature speaks against the route. */
export const sameSignatureWithinMs = 10 * minuteMs;
