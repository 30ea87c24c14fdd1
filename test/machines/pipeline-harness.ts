/**
 * Runs the pipeline on a virtual clock in a world that a test steers: store, worker and checks answer, fail or hang as
 * it says.
 */
import { type Actor, createActor, fromCallback, fromPromise } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { Lease } from "../../src/core/job.ts";
import type { RenderReport } from "../../src/core/ports/worker.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import type { ModelId } from "../../src/core/words.ts";
import { pipelineMachine } from "../../src/machines/pipeline.machine.ts";
import type {
  Claim,
  PipelineEvent,
  PipelineInput,
  PipelineReport,
  Preparation,
  Settlement,
} from "../../src/machines/pipeline-types.ts";
import { pathOfValue } from "../../src/telemetry/transitions.ts";
import { rendered, lease as sampleLease } from "./exploration-samples.ts";
import { createListeningParent, type ListeningParent } from "./listening-parent.ts";

type Answer<Value> = Value | "hangs" | "fails";

/** Nothing outside answers within the same turn; a machine that asks in circles must not hold up the clock. */
async function given<Value>(answer: Answer<Value>, clock: VirtualClock): Promise<Value> {
  await clock.turn();
  if (answer === "hangs") return new Promise(() => undefined);
  if (answer === "fails") throw new Error("there is no answer");
  return answer;
}

export const leaseOf = (jobId: string): Lease => ({ ...sampleLease, jobId });
const ready = (lease: Lease): Preparation => ({ kind: "ready", lease, peakBytes: 7 });

/** What surrounds one pipeline: the store, the worker and the checks, as far as it hears of them. */
export interface PipelineWorld {
  readonly actor: Actor<typeof pipelineMachine>;
  readonly clock: VirtualClock;
  readonly parent: ListeningParent<PipelineReport>;
  readonly state: () => string;
  /** Sends events one after the other and lets every answer come. */
  readonly send: (...events: readonly PipelineEvent[]) => Promise<void>;
  /** Ids of the jobs that wait in the store. */
  waiting: string[];
  /** When the store's next job may be claimed. */
  dueAtMs: number | null;
  /** Only a suspect waits there, which wants another process. */
  wantsFreshProcess: boolean;
  store: "answers" | "hangs" | "fails";
  /** One answer a preparation, ready when there is none left. */
  preparations: Answer<Preparation>[];
  cancelAnswer: Answer<boolean>;
  settleAnswers: Answer<void>[];
  canKeepLease: boolean;
  canRender: boolean;
  readonly claims: { readonly workerId: string; readonly residentModel: ModelId | null }[];
  readonly renders: { readonly lease: Lease; readonly isUnderWay: boolean }[];
  readonly settlements: Settlement[];
  /** Jobs whose artifact is being checked, with their reports. */
  readonly commits: { readonly jobId: string; readonly report: RenderReport }[];
  /** Leases that are being kept now, and renders that are being followed now, by job. */
  readonly kept: Set<string>;
  readonly followed: Set<string>;
}

function provide(world: Omit<PipelineWorld, "actor">) {
  return pipelineMachine.provide({
    actors: {
      claimJob: fromPromise<Claim, { workerId: string; residentModel: ModelId | null }>(({ input }) => {
        world.claims.push(input);
        if (world.store !== "answers") return given<Claim>(world.store, world.clock);
        const jobId = world.waiting.shift();
        const { dueAtMs, wantsFreshProcess } = world;
        const lease = jobId === undefined ? null : leaseOf(jobId);
        return given({ lease, dueAtMs, wantsFreshProcess }, world.clock);
      }),
      prepareJob: fromPromise<Preparation, { workerId: string; lease: Lease }>(({ input }) =>
        given(world.preparations.shift() ?? ready(input.lease), world.clock),
      ),
      renderJob: fromCallback<PipelineEvent, { workerId: string; lease: Lease; isUnderWay: boolean }>(({ input }) => {
        if (!world.canRender) throw new Error("the worker refused");
        const { lease, isUnderWay } = input;
        world.renders.push({ lease, isUnderWay });
        world.followed.add(lease.jobId);
        return () => world.followed.delete(lease.jobId);
      }),
      keepLease: fromCallback<PipelineEvent, { workerId: string; lease: Lease }>(({ input }) => {
        if (!world.canKeepLease) throw new Error("the store is away");
        world.kept.add(input.lease.jobId);
        return () => world.kept.delete(input.lease.jobId);
      }),
      commitArtifact: fromCallback<PipelineEvent, { workerId: string; lease: Lease; report: RenderReport }>(
        ({ input }) => {
          world.commits.push({ jobId: input.lease.jobId, report: input.report });
        },
      ),
      cancelRender: fromPromise<boolean, { workerId: string; lease: Lease }>(() =>
        given(world.cancelAnswer, world.clock),
      ),
      settleAttempt: fromPromise<void, { workerId: string; lease: Lease; settlement: Settlement }>(
        async ({ input }) => {
          await given(world.settleAnswers.shift(), world.clock);
          world.settlements.push(input.settlement);
        },
      ),
    },
  });
}

/** A pipeline without worker or model; `set` prepares the world before it starts. */
export function startPipeline(set: Partial<PipelineWorld> = {}, input: Partial<PipelineInput> = {}): PipelineWorld {
  const clock = createVirtualClock();
  const parent = createListeningParent<PipelineReport>();
  const world = {
    clock,
    parent,
    waiting: [],
    dueAtMs: null,
    wantsFreshProcess: false,
    store: "answers",
    preparations: [],
    cancelAnswer: true,
    settleAnswers: [],
    canKeepLease: true,
    canRender: true,
    claims: [],
    renders: [],
    settlements: [],
    commits: [],
    kept: new Set<string>(),
    followed: new Set<string>(),
    state: () => pathOfValue(actor.getSnapshot().value),
    send: async (...events: readonly PipelineEvent[]) => {
      for (const event of events) {
        actor.send(event);
        await clock.settle();
      }
    },
    ...set,
  } satisfies Omit<PipelineWorld, "actor">;
  const actor: Actor<typeof pipelineMachine> = createActor(provide(world), {
    clock: toActorClock(clock),
    input: { workerId: "w0", parent: parent.ref, clock, ...input },
  });
  actor.start();
  return Object.assign(world, { actor });
}

export const connected: PipelineEvent = { type: "worker.connected", adopted: null };
export const proven: PipelineEvent = { type: "model.proven", model: "T2V-A14B" };
export const exited: PipelineEvent = { type: "worker.exited", evidence: { exitCode: 1 }, isExpected: false };
export const news: PipelineEvent = { type: "jobs.becameAvailable" };
export const progressed: PipelineEvent = { type: "step.progressed", phase: "denoise", step: 1, of: 40 };
export const completed: PipelineEvent = { type: "render.completed", report: rendered };
export const suspend = (by: string): PipelineEvent => ({ type: "pipeline.suspend", by });
export const resume = (by: string): PipelineEvent => ({ type: "pipeline.resume", by });
export const committed = (jobId: string): PipelineEvent => ({ type: "artifact.committed", jobId });

/** A pipeline whose worker holds its model, with these jobs waiting; the first is being rendered. */
export async function startRendering(
  jobs: readonly string[] = ["j1"],
  set: Partial<PipelineWorld> = {},
): Promise<PipelineWorld> {
  const world = startPipeline({ waiting: [...jobs], ...set });
  await world.send(connected, proven);
  return world;
}
