/** Everything that the supervisor's chart names: guards and actions, over the actors that it starts. */
import { enqueueActions } from "xstate";
import { supervisorBase } from "./supervisor-base.ts";
import { routeOf } from "./supervisor-routes.ts";
import * as steps from "./supervisor-steps.ts";
import type { StopShape } from "./worker-types.ts";

export const supervisorSetup = supervisorBase.extend({
  guards: {
    mayJobsEnd: (_, params: { finishMs: number }) => params.finishMs > 0,
    isNobodyBusy: ({ context }) => Object.values(context.workers).every((worker) => worker.jobId === null),
    areAllSettled: ({ context }) => Object.values(context.workers).every((worker) => worker.isPipelineStopped),
    areAllStopped: ({ context }) =>
      Object.values(context.workers).every((worker) => worker.process === "stopped" || worker.process === "resting"),
  },
  actions: {
    spawnSubsystems: enqueueActions((around) => steps.spawnSubsystems(around)),
    route: enqueueActions((around) => steps.carryOut(around, routeOf(around.context, around.event, false))),
    /** A service that stops opens no incident. */
    routeWhileDraining: enqueueActions((around) =>
      steps.carryOut(around, { ...routeOf(around.context, around.event, true), spawns: [] }),
    ),
    noteCrash: enqueueActions((around) => steps.noteCrash(around, around.event)),
    respawnChild: enqueueActions((around, params: { childId: string }) => steps.respawnChild(around, params.childId)),
    letJobsEnd: enqueueActions((around, params: { shape: StopShape; finishMs: number }) =>
      steps.letJobsEnd(around, params),
    ),
    hurryJobs: enqueueActions((around, params: { shape: StopShape; finishMs: number }) =>
      steps.hurryJobs(around, params),
    ),
    beginDrain: enqueueActions((around, params: { shape: StopShape | null }) => steps.beginDrain(around, params.shape)),
    stopWorkers: enqueueActions((around) => steps.stopWorkers(around)),
  },
});
