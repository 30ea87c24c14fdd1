/**
 * What somebody who wants a video can count on, from facts alone. Everything that tells of it or does something about it
 * asks here: two places with an idea of their own would say one thing and do another.
 */
import type { OwnWait } from "../core/wait-reason.ts";
import {
  type ClosedDoor,
  type FallbackConsent,
  type ModelId,
  type PromiseKind,
  type PromiseReason,
  type Standing,
  standings,
} from "../core/words.ts";

/** `open`: a job can be begun · `coming`: by itself, before long · `cutOff`: nothing real comes of it as things stand. */
type Way = "open" | "coming" | "cutOff";

const ways: Readonly<Record<Standing, Way>> = {
  serving: "open",
  returning: "open",
  checking: "open",
  loading: "coming",
  starting: "coming",
  resting: "coming",
  repairing: "coming",
  modelAside: "cutOff",
  breakerOpen: "cutOff",
  standingIn: "cutOff",
  crashLooping: "cutOff",
  exhausted: "cutOff",
  unstartable: "cutOff",
  stopped: "cutOff",
};

/** One worker as a way to real video. */
export interface RouteFacts {
  readonly workerId: string;
  readonly models: readonly ModelId[];
  readonly standing: Standing;
  /** When its standing is looked at again by itself; null where nobody knows. */
  readonly untilMs: number | null;
  readonly isBusy: boolean;
  /** The model that it holds; null where that is not known. */
  readonly heldModel: ModelId | null;
  /** Models that it could not load, and until when no job of theirs is begun there. */
  readonly aside: readonly { readonly model: ModelId; readonly untilMs: number }[];
}

/** What goes before a job. */
export interface QueueFacts {
  readonly aheadCount: number;
  /** The time until a worker is free for it, by what renders took; null while nothing is known. */
  readonly turnInMs: number | null;
  /** The time that its own render takes; null where that is not known. */
  readonly renderMs: number | null;
}

export interface PromiseFacts {
  readonly nowMs: number;
  readonly routes: readonly RouteFacts[];
  /** Null for a job that is in already, and where the door is open. */
  readonly door: ClosedDoor | null;
  readonly isPaused: boolean;
  readonly isDiskShort: boolean;
  readonly isProcessorShort: boolean;
  readonly queue: QueueFacts;
  /** What this job is held back for, also when that is over; null for one that only waits for its turn. */
  readonly ownWait: OwnWait | null;
  /** Since when no worker can begin a job of this model; null while one can. */
  readonly lostSinceMs: number | null;
  readonly standInAfterMs: number;
}

export interface VideoPromise {
  readonly kind: PromiseKind;
  readonly because: PromiseReason;
  /** When a worker may be free for it; null where nothing is known. */
  readonly turnAtMs: number | null;
  /** When the real video may be there; null where nothing is known. */
  readonly expectedAtMs: number | null;
  readonly aheadCount: number;
  /** When what is in the way is looked at again by itself; null where nobody knows. */
  readonly retryAtMs: number | null;
  /**
   * When whoever does not simply wait is answered without a real video, as long as none can be begun: by a stand-in, or by a
   * clear failure. Null where that does not happen.
   */
  readonly answerDueAtMs: number | null;
  /** `generic`: the clip that was made at the start, because the host has no room for one of the job's own. */
  readonly clip: "own" | "generic";
}

/** The same for a job that is claimed no sooner: after a failed attempt it waits for its own time as well as for its turn. */
export function notBefore(promise: VideoPromise, dueAtMs: number): VideoPromise {
  const { turnAtMs, expectedAtMs } = promise;
  if (turnAtMs === null || turnAtMs >= dueAtMs) return promise;
  return {
    ...promise,
    turnAtMs: dueAtMs,
    expectedAtMs: expectedAtMs === null ? null : expectedAtMs + dueAtMs - turnAtMs,
  };
}

const isStanding = (because: PromiseReason): because is Standing => (standings as readonly string[]).includes(because);

const rankOf = (standing: Standing): number => standings.indexOf(standing);

/** Of a model that is set aside on a worker, the rest of that worker says nothing. */
function routeTo(model: ModelId, route: RouteFacts, nowMs: number): RouteFacts {
  const aside = route.aside.find((one) => one.model === model && one.untilMs > nowMs);
  const isWorse = aside !== undefined && rankOf(route.standing) < rankOf("modelAside");
  return isWorse ? { ...route, standing: "modelAside", untilMs: aside.untilMs } : route;
}

export const routesTo = (model: ModelId, { routes, nowMs }: Pick<PromiseFacts, "routes" | "nowMs">) =>
  routes
    .filter(({ models }) => models.includes(model))
    .map((route) => routeTo(model, route, nowMs))
    .toSorted((one, other) => rankOf(one.standing) - rankOf(other.standing));

export const isOpen = ({ standing }: Pick<RouteFacts, "standing">): boolean => ways[standing] === "open";

/** Nothing real comes by itself, as far as anybody can count on it. */
export const isWithoutRoute = (because: PromiseReason): boolean =>
  because === "notOffered" || because === "diskFull" || (isStanding(because) && ways[because] === "cutOff");

/** No worker can begin a job of this model now, and none is started by being asked. */
export function isLost(model: ModelId, facts: Pick<PromiseFacts, "routes" | "nowMs" | "isDiskShort">): boolean {
  const [best] = routesTo(model, facts);
  return facts.isDiskShort || best === undefined || !(isOpen(best) || best.standing === "resting");
}

const withoutRoute: Readonly<Record<FallbackConsent, PromiseKind>> = {
  stand_in_then_real: "standInThenReal",
  stand_in: "standInOnly",
  fail: "refused",
  wait: "realLater",
};

/**
 * When a job that is held back for a time of its own is answered meanwhile, although a worker could begin another one; null
 * where it is not: it simply waits, or its time comes sooner.
 */
export function heldAnswerAtMs(
  consent: FallbackConsent,
  { because, sinceMs, untilMs }: OwnWait,
  standInAfterMs: number,
): number | null {
  const answerAtMs = sinceMs + standInAfterMs;
  if (consent === "wait" || untilMs <= answerAtMs) return null;
  // Without the memory no way renders it before that time, and it does not want to wait. One that only backs off has a way: it
  // ends by what it fails of, and never by a way that was there.
  return consent === "fail" && because === "backingOff" ? null : answerAtMs;
}

interface Found {
  readonly kind: PromiseKind;
  readonly because: PromiseReason;
  readonly turnAtMs?: number | null;
  readonly expectedAtMs?: number | null;
  readonly retryAtMs?: number | null;
  readonly answerDueAtMs?: number | null;
}

/** Rendered at once only where a worker holds the model and nothing goes before. */
function ofOpenRoutes(model: ModelId, open: readonly RouteFacts[], { queue, nowMs }: PromiseFacts): Found {
  const turnAtMs = queue.turnInMs === null ? null : nowMs + queue.turnInMs;
  const expectedAtMs = turnAtMs === null || queue.renderMs === null ? null : turnAtMs + queue.renderMs;
  const free = open.filter(({ isBusy, standing }) => !isBusy && standing !== "checking");
  const isBehindCheck = open.every(({ standing }) => standing === "checking");
  if (queue.aheadCount > 0 || free.length === 0)
    return { kind: "realLater", because: isBehindCheck ? "checking" : "queued", turnAtMs, expectedAtMs };
  const ready = free.find(({ heldModel }) => heldModel === null || heldModel === model);
  // Its model has to be loaded first, and how long that takes is not known.
  if (ready === undefined) return { kind: "realLater", because: "loading" };
  return { kind: "realNow", because: ready.standing, turnAtMs, expectedAtMs };
}

/** Held back for a time of its own, while others are rendered. */
function ofHeldBack(consent: FallbackConsent, wait: OwnWait, facts: PromiseFacts, turn: Found): Found {
  const answerDueAtMs = heldAnswerAtMs(consent, wait, facts.standInAfterMs);
  const { turnAtMs = null, expectedAtMs = null } = turn;
  const kind = answerDueAtMs === null ? "realLater" : withoutRoute[consent];
  return { kind, because: wait.because, turnAtMs, expectedAtMs, retryAtMs: wait.untilMs, answerDueAtMs };
}

const stillToCome = (atMs: number | null, nowMs: number): number | null =>
  atMs !== null && atMs > nowMs ? atMs : null;

function ofLostRoutes(
  consent: FallbackConsent,
  best: RouteFacts | undefined,
  { nowMs, lostSinceMs, standInAfterMs, isDiskShort, ownWait }: PromiseFacts,
): Found {
  const because = isDiskShort ? "diskFull" : (best?.standing ?? "notOffered");
  const heldAtMs = ownWait === null ? null : heldAnswerAtMs(consent, ownWait, standInAfterMs);
  // A way that is lost while a job is held back postpones nobody's answer.
  const answerAtMs = Math.min((lostSinceMs ?? nowMs) + standInAfterMs, heldAtMs ?? Number.POSITIVE_INFINITY);
  const isComing = !isDiskShort && best !== undefined && ways[best.standing] === "coming";
  return {
    kind: isComing && answerAtMs > nowMs ? "realLater" : withoutRoute[consent],
    because,
    retryAtMs: stillToCome(best?.untilMs ?? null, nowMs),
    answerDueAtMs: consent === "wait" ? null : answerAtMs,
  };
}

function find(consent: FallbackConsent, model: ModelId, facts: PromiseFacts): Found {
  if (facts.door !== null) return { kind: "refused", because: facts.door };
  const routes = routesTo(model, facts);
  const open = routes.filter(isOpen);
  // Nothing begins and nothing is answered until an operator resumes.
  if (facts.isPaused) return { kind: "realLater", because: "paused" };
  if (open.length === 0 || facts.isDiskShort) return ofLostRoutes(consent, routes[0], facts);
  const turn = ofOpenRoutes(model, open, facts);
  const { ownWait, nowMs } = facts;
  return ownWait !== null && ownWait.untilMs > nowMs ? ofHeldBack(consent, ownWait, facts, turn) : turn;
}

/** The one predicate: what a job with this consent, of this model, gets. */
export function promiseFor(consent: FallbackConsent, model: ModelId, facts: PromiseFacts): VideoPromise {
  return {
    turnAtMs: null,
    expectedAtMs: null,
    retryAtMs: null,
    answerDueAtMs: null,
    ...find(consent, model, facts),
    aheadCount: facts.queue.aheadCount,
    clip: facts.isDiskShort || facts.isProcessorShort ? "generic" : "own",
  };
}
