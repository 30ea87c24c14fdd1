/** What the supervisor is made of: its types, the actors that it starts, its delays; and the facts on which they stand. */
import { setup } from "xstate";
import { minuteMs, secondMs } from "../core/units.ts";
import type { MachineTag } from "../core/words.ts";
import { circuitBreakerMachine } from "./circuit-breaker.machine.ts";
import { healthMonitorMachine } from "./health-monitor.machine.ts";
import { modelLoaderMachine } from "./model-loader.machine.ts";
import { callbackOf } from "./not-provided.ts";
import { pipelineMachine } from "./pipeline.machine.ts";
import { recoveryMachine } from "./recovery.machine.ts";
import type { SupervisedChildren } from "./supervisor-children.ts";
import type {
  SupervisorContext,
  SupervisorEvent,
  SupervisorFact,
  SupervisorInput,
  SupervisorLimits,
} from "./supervisor-types.ts";
import { workerMachine } from "./worker.machine.ts";

const defaultSupervisorLimits: SupervisorLimits = {
  drainMs: minuteMs,
  respawnMs: secondMs,
  respawnCount: 3,
  respawnWindowMs: 10 * minuteMs,
};

export const limitsOf = (context: SupervisorContext): SupervisorLimits => ({
  ...defaultSupervisorLimits,
  ...context.limits.supervisor,
});

export const supervisorBase = setup({
  types: {
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    input: {} as SupervisorInput,
    output: {} as { readonly epoch: number },
    tags: {} as MachineTag,
    children: {} as SupervisedChildren,
  },
  actors: {
    worker: workerMachine,
    modelLoader: modelLoaderMachine,
    pipeline: pipelineMachine,
    circuitBreaker: circuitBreakerMachine,
    healthMonitor: healthMonitorMachine,
    recovery: recoveryMachine,
    /** Writes facts to the store, in order, and tells those who listen. */
    recorder: callbackOf<SupervisorFact, undefined>("recorder"),
  },
  delays: {
    drainMs: ({ context }) => limitsOf(context).drainMs,
    finishMs: ({ context }) => Math.max(0, context.finishUntilMs - context.clock.nowMs()),
    startMs: () => 0,
  },
});

/** What an action of the supervisor is handed: the context, itself as the children's parent, and the queue of what it does. */
export type Around = Pick<
  Parameters<Parameters<typeof supervisorBase.enqueueActions>[0]>[0],
  "context" | "enqueue" | "self"
>;
