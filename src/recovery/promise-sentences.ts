/** What is promised, in sentences for people. One table of reasons feeds the page, answers and the text in a stand-in's picture. */
import { hourMs, minuteMs, secondMs } from "../core/units.ts";
import type { ClosedDoor, PromiseKind, PromiseReason } from "../core/words.ts";
import type { VideoPromise } from "./promise.ts";

/** Why no real video is there now, as the picture of a stand-in says it. */
export function reasonWords(because: PromiseReason, model: string): string {
  switch (because) {
    case "modelAside":
      return `${model} could not be loaded`;
    case "notOffered":
      return `no worker offers ${model}`;
    case "diskFull":
      return "the disk is full";
    case "memoryShort":
      return "no worker has the memory for it now";
    case "backingOff":
      return "its last attempt failed, and it is tried again";
    case "loading":
    case "starting":
    case "resting":
      return "the main model is loading";
    default:
      return "the main model is being repaired";
  }
}

/** A time for people, on the high side: `25 s`, `4 min`, `2 h`. */
export function aboutTime(ms: number): string {
  if (ms < 90 * secondMs) return `${Math.max(5, Math.ceil(ms / (5 * secondMs)) * 5)} s`;
  return ms < 90 * minuteMs ? `${Math.ceil(ms / minuteMs)} min` : `${Math.ceil(ms / hourMs)} h`;
}

interface Scene {
  readonly nowMs: number;
  readonly isSimulated: boolean;
  /** Workers that serve, of all that could. */
  readonly servingCount: number;
  readonly workerCount: number;
  /** `A video submitted now`, or what else the sentence is about. */
  readonly subject: string;
}

const closed: Readonly<Record<ClosedDoor, string>> = {
  stopping: "The service is stopping and takes no new work. What was accepted is kept.",
  drained: "Drained by an operator. Nothing new is taken; what was accepted is rendered.",
  diskFull: "The disk is full: nothing new is taken until there is room. What was accepted is kept.",
};

/** What is the matter, where something is. */
const matters: Readonly<Partial<Record<PromiseReason, string>>> = {
  checking: "A test render looks whether the main model is well.",
  loading: "The main model is loading.",
  starting: "The main model is loading.",
  repairing: "The main model is being repaired.",
  modelAside: "Its model could not be loaded.",
  breakerOpen:
    "Stand-ins only: no real video right now. The worker has failed too often and is left alone for a while.",
  standingIn: "Stand-ins only: no real video right now.",
  crashLooping: "Stand-ins only: no real video right now. The worker ends again and again.",
  exhausted: "Stand-ins only: no real video right now. Every repair was in vain; it needs you.",
  unstartable: "Stand-ins only: no real video right now. The worker cannot start until somebody mends what it names.",
  stopped: "Stand-ins only: no real video right now. The worker was stopped.",
  notOffered: "No worker offers its model.",
  diskFull: "The disk is full.",
  memoryShort: "No worker has the memory for it now.",
  backingOff: "Its last attempt failed or was interrupted.",
};

function queueWords({ aheadCount, turnAtMs }: VideoPromise, nowMs: number): string {
  const before = aheadCount === 0 ? "after the one in hand" : `after about ${aheadCount} before it`;
  return turnAtMs === null ? before : `${before}, in about ${aboutTime(turnAtMs - nowMs)}`;
}

/** What becomes of a video while nothing real can be begun. */
function keptWords(promise: VideoPromise, { nowMs, subject }: Scene): string {
  const { kind, answerDueAtMs } = promise;
  const isAnswered = answerDueAtMs !== null && answerDueAtMs > nowMs;
  switch (kind) {
    case "standInThenReal":
      return `${subject} is kept, gets a labelled stand-in first, and is rendered when the main model is back.`;
    case "standInOnly":
      return `${subject} gets a labelled stand-in, and nothing else.`;
    case "refused":
      return `${subject} does not want to wait, and fails.`;
    default:
      return isAnswered
        ? `${subject} is kept; if that takes longer, you get a labelled stand-in first.`
        : `${subject} is kept, and rendered when the main model is ready.`;
  }
}

/** A job that is held back for a time of its own, while others are rendered. */
function heldWords({ kind, because, retryAtMs }: VideoPromise, { nowMs, subject }: Scene): string {
  const ends: Readonly<Partial<Record<PromiseKind, string>>> = {
    standInOnly: `${subject} gets a labelled stand-in, and nothing else.`,
    refused: `${subject} does not want to wait, and fails.`,
  };
  const first = kind === "standInThenReal" ? "gets a labelled stand-in first, and " : "";
  const when = retryAtMs === null ? "" : ` in about ${aboutTime(retryAtMs - nowMs)}`;
  return `${matters[because] ?? ""} ${ends[kind] ?? `${subject} ${first}is tried again${when}.`}`;
}

function realWords(promise: VideoPromise, scene: Scene): string {
  const { isSimulated, servingCount, workerCount, subject, nowMs } = scene;
  const isReduced = servingCount > 0 && servingCount < workerCount;
  const by = isReduced ? ` by ${servingCount} of ${workerCount} workers` : isSimulated ? "" : " by the main model";
  const when = promise.kind === "realNow" ? "at once" : queueWords(promise, nowMs);
  const note = isSimulated ? " The card is simulated, and every frame says so." : "";
  return `${subject} is rendered ${when}${by}.${note}`;
}

/** What somebody can count on, in one or two sentences. */
export function promiseSentence(promise: VideoPromise, scene: Scene): string {
  const { kind, because, retryAtMs } = promise;
  const { subject, nowMs } = scene;
  if (because === "stopping" || because === "drained") return closed[because];
  if (because === "diskFull" && kind === "refused" && promise.answerDueAtMs === null) return closed.diskFull;
  if (because === "paused") return `Paused by an operator. ${subject} is kept, and rendered after a resume.`;
  if (because === "resting")
    return `The workers rest. ${subject} starts them, and is rendered when the main model is loaded.`;
  if (kind === "realNow" || because === "queued") return realWords(promise, scene);
  if (because === "memoryShort" || because === "backingOff") return heldWords(promise, scene);
  if (because === "loading" && promise.answerDueAtMs === null && kind === "realLater")
    return `${matters.loading} ${subject} is kept, and rendered when it is ready.`;
  const again = retryAtMs === null ? "" : ` It is looked at again in about ${aboutTime(retryAtMs - nowMs)}.`;
  return `${matters[because] ?? ""} ${keptWords(promise, scene)}${again}`.trim();
}
