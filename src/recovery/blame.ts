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
 * could say it better. `request` is the job's own fault; the others are never one job's.
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
  "hostOomKiller",
  "diskFull",
  "workerConfiguration",
  "protocolMismatch",
  "onProcessor",
  "ownStop",
  "thermal",
]);

/** Below this the classifier guessed, whatever it says. */
const guessedBelow = 0.6;

/** Whether the evidence alone says who is to blame; otherwise a test render is asked first. */
export const isConclusive = ({ faultClass, confidence }: Pick<Fault, "faultClass" | "confidence">): boolean =>
  conclusiveClasses.has(faultClass) && confidence >= guessedBelow;

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
