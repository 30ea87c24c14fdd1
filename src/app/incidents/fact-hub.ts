/** Tells the supervisor's facts, once they are written, to everybody who asked. */
import { messageOf } from "../../core/errors.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** Every fact passes here; waiters look at each and are done, or are given up by their own timer. */
export interface FactHub {
  publish(fact: SupervisorFact): void;
  subscribe(listener: (fact: SupervisorFact) => void): () => void;
}

/** A listener that fails holds up neither the others nor the record. */
export function createFactHub(logger: Pick<Logger, "error">): FactHub {
  const listeners = new Set<(fact: SupervisorFact) => void>();
  const tell = (listener: (fact: SupervisorFact) => void, fact: SupervisorFact): void => {
    try {
      listener(fact);
    } catch (thrown) {
      logger.error({ event: "fact.notTold", fact: fact.type, message: messageOf(thrown) });
    }
  };
  return {
    publish: (fact) => {
      for (const listener of listeners) tell(listener, fact);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
