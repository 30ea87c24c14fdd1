/**
 * Where each worker stands as a way to real video, and the mode that follows from it. Both come from facts every time they
 * are asked for, so that nothing can be left behind by them.
 */
import type { Mode, Standing } from "../core/words.ts";
import { modeOf } from "../recovery/mode.ts";
import { promiseFor, type RouteFacts } from "../recovery/promise.ts";
import { isUnattended, type OpenIncident, unknownWorker, type WorkerFacts } from "./supervisor-facts.ts";
import type { SupervisorContext } from "./supervisor-types.ts";

type StandingFacts = Pick<SupervisorContext, "configured" | "workers" | "incidents" | "breakers">;

const hasOne = (incidents: readonly OpenIncident[], stage: OpenIncident["stage"]): OpenIncident | undefined =>
  incidents.find((incident) => incident.stage === stage);

const isProvenHere = ({ process, isProven }: WorkerFacts): boolean => process === "connected" && isProven;

/** The first line that holds says where a worker stands, and until when; the order is that of how certain each is. */
function standingOf(
  worker: WorkerFacts,
  incidents: readonly OpenIncident[],
  breakerUntilMs: number | null,
): Pick<RouteFacts, "standing" | "untilMs"> {
  const at = (standing: Standing, untilMs: number | null = null) => ({ standing, untilMs });
  const { process, breaker, rest, jobId, isRecycling, startsAtMs } = worker;
  const exhausted = hasOne(incidents, "exhausted");
  const standingIn = hasOne(incidents, "standingIn");
  if (process === "stopped") return at(process);
  if (process === "crashLooping" || process === "unstartable") return at(process, startsAtMs);
  if (exhausted !== undefined) return at("exhausted", exhausted.lookBackAtMs);
  if (standingIn !== undefined) return at("standingIn", standingIn.lookBackAtMs);
  if (breaker === "open") return at("breakerOpen", breakerUntilMs);
  if (process === "resting") return at("resting");
  // What it has in hand goes on: nothing is repaired before that has ended.
  const isRendering = isProvenHere(worker) && jobId !== null;
  if (hasOne(incidents, "working") !== undefined && !isRendering) return at("repairing");
  if (process !== "connected" || (jobId === null && (isRecycling || rest !== "none")))
    return at("starting", startsAtMs);
  if (!isProvenHere(worker)) return at("loading");
  if (hasOne(incidents, "checking") !== undefined && !isRendering) return at("checking");
  return at(hasOne(incidents, "returning") !== undefined || breaker === "halfOpen" ? "returning" : "serving");
}

/** Every worker as a way to real video of its own model; what else it offers is known to the configuration. */
export function routesOf({ configured, workers, incidents, breakers }: StandingFacts): readonly RouteFacts[] {
  const open = Object.values(incidents).filter((incident) => !isUnattended(incident));
  return configured.map(({ id, model }) => {
    const worker = workers[id] ?? unknownWorker;
    const own = open.filter(({ workerId }) => workerId === id);
    return {
      workerId: id,
      models: [model],
      ...standingOf(worker, own, breakers[id]?.untilMs ?? null),
      isBusy: worker.jobId !== null,
      heldModel: null,
      aside: [],
    };
  });
}

/** What the promise takes from the supervisor alone. */
type ServiceFacts = StandingFacts & Pick<SupervisorContext, "clock" | "lead" | "isDiskShort">;

const isWhole = ({ standing }: RouteFacts): boolean =>
  standing === "serving" || standing === "returning" || standing === "checking";

/** The promise for the main model, from the routes alone: whatever waits, and whoever is let in. */
export function modeFrom(context: ServiceFacts, isStopping: boolean): Mode {
  const routes = routesOf(context);
  const open = Object.values(context.incidents);
  const wholeCount = routes.filter(isWhole).length;
  const { because } = promiseFor("stand_in_then_real", context.lead, {
    nowMs: context.clock.nowMs(),
    routes: routes.map((route) => ({ ...route, isBusy: false })),
    door: null,
    ownWait: null,
    isPaused: false,
    isDiskShort: context.isDiskShort,
    isProcessorShort: false,
    queue: { aheadCount: 0, turnInMs: null, renderMs: null },
    lostSinceMs: null,
    standInAfterMs: 0,
  });
  return modeOf({
    isStopping,
    because,
    isRendering: routes.some(({ isBusy }) => isBusy),
    isRepairing: open.some(({ stage }) => stage === "working"),
    isReduced: wholeCount > 0 && wholeCount < routes.length,
    hasOpenIncident: open.length > 0,
  });
}
