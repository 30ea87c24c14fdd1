/**
 * What this service promises, from its facts of this moment. The only thing that it remembers is since when a model has had
 * no way to real video: stand-ins are due from that moment on.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { JobProgress, JobView } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { OpenJob } from "../../core/ports/job-store.ts";
import { type OwnWait, ownWaitOf } from "../../core/wait-reason.ts";
import type { ClosedDoor, FallbackConsent, ModelId } from "../../core/words.ts";
import type { AnswerTimes } from "../../jobs/stand-in-dispatcher.ts";
import { routesOf } from "../../machines/supervisor-standing.ts";
import { modelHeldBy, type Supervisor } from "../../machines/supervisor-view.ts";
import { expectRenderMs, expectTurnMs, type RenderSize } from "../../recovery/expected-time.ts";
import {
  heldAnswerAtMs,
  isLost,
  isOpen,
  notBefore,
  promiseFor,
  type QueueFacts,
  type RouteFacts,
  routesTo,
  type VideoPromise,
} from "../../recovery/promise.ts";
import { promiseSentence } from "../../recovery/promise-sentences.ts";
import type { QueueWatch } from "./queue-watch.ts";

export interface PromiseNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly catalog: ModelCatalog;
  readonly config: Pick<Config, "workers" | "standIn" | "lead" | "consent">;
  readonly unavailableModels: {
    asideOn(workerId: string): readonly { readonly model: ModelId; readonly untilMs: number }[];
  };
  readonly progress: { list(): readonly JobProgress[] };
  readonly queue: Pick<QueueWatch, "waiting" | "heldBack" | "models" | "sizeOf" | "recent">;
}

type AcceptedJob = Pick<JobView, "id" | "spec" | "priority" | "createdAtMs" | "runAtMs" | "suspicion" | "attemptList">;

export interface Promises {
  /** What a video of the main model that is submitted now, with the consent of the configuration, gets. */
  ofSubmission(): VideoPromise;
  /** What a job gets that was accepted and waits. */
  ofJob(job: AcceptedJob): VideoPromise;
  /** Why nobody is let in now; null while the door is open. */
  door(): ClosedDoor | null;
  /** @param subject whose promise it is, as the beginning of a sentence */
  sentenceOf(promise: VideoPromise, subject: string): string;
  /** Whether a worker can begin a job of the main model now, or when the one in its hand has ended. */
  isServing(): boolean;
  /** Notes since when models have had no way; true when one was lost or found since the last look. */
  look(): boolean;
  /** Whose owners are answered without a real video, and from when on. */
  answersDue(): AnswerTimes;
}

type Supervised = Pick<Supervisor, "getSnapshot">;

/** The workers as they stand, with everything that they offer. */
function routesNow({ config, unavailableModels }: PromiseNeeds, supervisor: Supervised): readonly RouteFacts[] {
  const snapshot = supervisor.getSnapshot();
  return routesOf(snapshot.context).map((route) => ({
    ...route,
    models: config.workers.find(({ id }) => id === route.workerId)?.models ?? route.models,
    heldModel: modelHeldBy(snapshot, route.workerId)?.model ?? null,
    aside: unavailableModels.asideOn(route.workerId),
  }));
}

/** Where a video of this model would stand in the queue. @param size null where only its turn is asked for */
function queueFactsOf(
  { clock, catalog, progress, queue }: PromiseNeeds,
  supervisor: Supervised,
  about: {
    readonly model: ModelId;
    readonly size: RenderSize | null;
    readonly ahead: readonly OpenJob[];
    readonly routes: readonly RouteFacts[];
  },
): QueueFacts {
  const recent = queue.recent();
  const known = new Map<string, number | null>();
  const expect = (size: RenderSize | null): number | null => {
    if (size === null) return null;
    const { model, width, height, frames, steps } = size;
    const key = [model, width, height, frames, steps].join("|");
    if (!known.has(key)) known.set(key, expectRenderMs(catalog, recent, size));
    return known.get(key) ?? null;
  };
  const { workers } = supervisor.getSnapshot().context;
  const left = new Map(progress.list().map(({ jobId, etaMs }) => [jobId, etaMs]));
  const leftOf = ({ workerId }: RouteFacts): number | null => {
    const jobId = workers[workerId]?.jobId ?? null;
    return jobId === null ? 0 : (left.get(jobId) ?? expect(queue.sizeOf(jobId)));
  };
  return {
    aheadCount: about.ahead.length,
    turnInMs: expectTurnMs({
      aheadMs: about.ahead.map(expect),
      leftMs: routesTo(about.model, { routes: about.routes, nowMs: clock.nowMs() }).filter(isOpen).map(leftOf),
    }),
    renderMs: expect(about.size),
  };
}

/** Why nobody is let in now; null while the door is open. */
function doorOf(supervisor: Supervised): ClosedDoor | null {
  const { mode, drain, isDiskShort } = supervisor.getSnapshot().context;
  if (mode === "draining") return "stopping";
  if (isDiskShort) return "diskFull";
  return drain === null ? null : "drained";
}

/** Where a video that is submitted now comes in: behind everybody of its own urgency, and before suspects. */
const newcomer = (nowMs: number): Parameters<QueueWatch["waiting"]>[0] => ({
  id: "",
  priority: 0,
  createdAtMs: nowMs + 1,
  dueAtMs: nowMs,
  isSuspect: false,
});

interface LostWays {
  /** Since when no job of this model can be begun; null while one can. */
  sinceMs(model: ModelId): number | null;
  /** True when a way was lost or found since the last look. */
  look(): boolean;
}

/** Every way counts as lost until the first look that finds it. */
function createLostWays(parts: PromiseNeeds, supervisor: Supervised): LostWays {
  const { clock, config } = parts;
  const offered = [...new Set(config.workers.flatMap((worker) => worker.models))];
  const beganAtMs = clock.nowMs();
  const lost = new Map<ModelId, number>(offered.map((model) => [model, beganAtMs]));
  return {
    // Nobody could ever begin a job of a model that no worker offers.
    sinceMs: (model) => (offered.includes(model) ? (lost.get(model) ?? null) : beganAtMs),
    look: () => {
      const nowMs = clock.nowMs();
      const { isDiskShort } = supervisor.getSnapshot().context;
      const facts = { routes: routesNow(parts, supervisor), nowMs, isDiskShort };
      const turned = offered.filter((model) => isLost(model, facts) !== lost.has(model));
      for (const model of turned) if (!lost.delete(model)) lost.set(model, nowMs);
      return turned.length > 0;
    },
  };
}

function answersOf({ config, queue }: PromiseNeeds, supervisor: Supervised, lostWays: LostWays): AnswerTimes {
  const { afterMs } = config.standIn;
  const [models, jobs] = [new Map<ModelId, number>(), new Map<string, number>()];
  // An operator holds everything: nobody is answered before a resume.
  if (supervisor.getSnapshot().context.pause !== null) return { models, jobs };
  for (const model of queue.models()) {
    const sinceMs = lostWays.sinceMs(model);
    if (sinceMs !== null) models.set(model, sinceMs + afterMs);
  }
  for (const { id, fallback, wait } of queue.heldBack()) {
    const atMs = wait === null ? null : heldAnswerAtMs(fallback, wait, afterMs);
    if (atMs !== null) jobs.set(id, atMs);
  }
  return { models, jobs };
}

/** @param supervisor asked for its facts each time, so that all of them are of one moment */
export function createPromises(parts: PromiseNeeds, supervisor: Supervised): Promises {
  const { clock, config, queue } = parts;
  const lostWays = createLostWays(parts, supervisor);
  const promise = (
    consent: FallbackConsent,
    door: ClosedDoor | null,
    about: {
      readonly model: ModelId;
      readonly size: RenderSize | null;
      readonly ahead: readonly OpenJob[];
      readonly ownWait: OwnWait | null;
    },
  ): VideoPromise => {
    const { pause, isDiskShort, isProcessorShort } = supervisor.getSnapshot().context;
    const routes = routesNow(parts, supervisor);
    return promiseFor(consent, about.model, {
      nowMs: clock.nowMs(),
      routes,
      door,
      isPaused: pause !== null,
      isDiskShort,
      isProcessorShort,
      queue: queueFactsOf(parts, supervisor, { ...about, routes }),
      ownWait: about.ownWait,
      lostSinceMs: lostWays.sinceMs(about.model),
      standInAfterMs: config.standIn.afterMs,
    });
  };
  return {
    ofSubmission: () =>
      promise(config.consent.fallback, doorOf(supervisor), {
        model: config.lead,
        size: null,
        ahead: queue.waiting(newcomer(clock.nowMs())),
        ownWait: null,
      }),
    ofJob: ({ spec: { consent, request }, runAtMs, suspicion, attemptList, ...place }) => {
      const ahead = queue.waiting({ ...place, dueAtMs: runAtMs, isSuspect: suspicion !== null });
      const ownWait = ownWaitOf(attemptList.at(-1), runAtMs);
      const about = { model: request.model, size: request, ahead, ownWait };
      return notBefore(promise(consent.fallback, null, about), runAtMs);
    },
    door: () => doorOf(supervisor),
    sentenceOf: (promise, subject) => {
      const routes = routesNow(parts, supervisor);
      return promiseSentence(promise, {
        nowMs: clock.nowMs(),
        isSimulated: config.workers.every((worker) => worker.kind === "simulator"),
        servingCount: routes.filter(isOpen).length,
        workerCount: routes.length,
        subject,
      });
    },
    isServing: () => routesNow(parts, supervisor).some((route) => route.models.includes(config.lead) && isOpen(route)),
    look: lostWays.look,
    answersDue: () => answersOf(parts, supervisor, lostWays),
  };
}
