/**
 * Mistakes in what machines tell each other, each of which must not compile. The type check reads this file and nothing runs
 * it: where a line below compiles, its `@ts-expect-error` has no error to expect, and the check fails.
 */
import type { Evidence } from "../../src/core/fault.ts";
import type { ProcessRef } from "../../src/core/ports/worker.ts";
import { modelLoaderSetup } from "../../src/machines/model-loader-setup.ts";
import type { ModelLoaderInput } from "../../src/machines/model-loader-types.ts";
import { childIds, type Send } from "../../src/machines/supervisor-children.ts";
import type { loaderInput } from "../../src/machines/supervisor-inputs.ts";
import { send, tell, toIncidents } from "../../src/machines/supervisor-route.ts";
import type { SupervisorContext } from "../../src/machines/supervisor-types.ts";
import type { Supervisor } from "../../src/machines/supervisor-view.ts";
import { workerMachine } from "../../src/machines/worker.machine.ts";
import type { WorkerReport } from "../../src/machines/worker-types.ts";

declare const evidence: Evidence;
declare const ref: ProcessRef;
declare const context: SupervisorContext;
declare const supervisor: Supervisor;
declare const parent: Parameters<typeof loaderInput>[0];

export const misspeltEvent = () =>
  // @ts-expect-error The pipeline's event is `model.lost`.
  send(childIds.pipeline("worker-0"), { type: "model.lozt" });

export const eventOfAnotherChild = () =>
  // @ts-expect-error A loader's event means nothing to a pipeline.
  send(childIds.pipeline("worker-0"), { type: "model.ensure" });

export const exitToTheBreaker = () =>
  // @ts-expect-error A breaker counts faults; the end of a process is told to pipeline and loader.
  send(childIds.breaker("worker-0"), { type: "worker.exited", evidence, isExpected: false });

export const exitWithoutItsEvidence = () =>
  // @ts-expect-error The pipeline writes the evidence of the death down, so it must come along.
  send(childIds.pipeline("worker-0"), { type: "worker.exited", isExpected: false });

// @ts-expect-error The pair is about a worker, and `pipeline.stop` is for its pipeline.
export const wrongPair: Send = [childIds.worker("worker-0"), { type: "pipeline.stop" }];

export const wordOfAPipelineToIncidents = () =>
  // @ts-expect-error Incidents hear `model.proven`, and never that a model is lost.
  toIncidents(context, "worker-0", { type: "model.lost" });

export const misspeltReport: WorkerReport = {
  type: "worker.exited",
  workerId: "worker-0",
  exit: null,
  // @ts-expect-error It is spelt `evidence`.
  evidense: evidence,
  isExpected: false,
};

// @ts-expect-error The recorder knows `worker.exited`.
export const misspeltFact = () => tell({ type: "worker.exitted", workerId: "worker-0", data: {} });

export const misspeltRequest = () =>
  // @ts-expect-error It is spelt `recovery.reset`.
  supervisor.send({ type: "recovery.rezet" });

export const misspeltInput: ModelLoaderInput = {
  workerId: "worker-0",
  parent: parent.self,
  clock: parent.context.clock,
  // @ts-expect-error It is spelt `model`.
  modle: "T2V-A14B",
  profile: "full",
};

export const misspeltInputOfAnEffect = () =>
  modelLoaderSetup.createStateConfig({
    // @ts-expect-error The effect is given the `model` that it proves.
    invoke: {
      src: "proveModel",
      input: ({ context: { workerId, wanted } }) => ({ workerId, modle: wanted.model, profile: wanted.profile }),
    },
  });

export const effectThatNoMachineHas = () =>
  workerMachine.provide({
    // @ts-expect-error No machine has an effect of this name.
    actors: { spawnProzess: workerMachine.implementations.actors.spawnProcess },
  });

export const stopOfNobody = () =>
  // @ts-expect-error A worker is told in which shape it is to end.
  send(childIds.worker(`${ref.pid}`), { type: "worker.stop" });
