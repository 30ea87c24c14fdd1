/**
 * Writes down what the supervisor and its machines report. Facts are written in the order in which they were reported;
 * one that cannot be written is counted and logged, and never stops the machine that reported it.
 */
import { type CallbackActorLogic, fromCallback } from "xstate";
import { messageOf } from "../../core/errors.ts";
import type { NewEvent } from "../../core/events.ts";
import type { Fault } from "../../core/fault.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { rungEndedRow } from "../../machines/incident-rows.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics/metrics.ts";
import { sanitise, sanitiseText } from "./incident-evidence.ts";

export interface RecorderNeeds {
  readonly store: Pick<Store, "events" | "incidents" | "facts">;
  readonly metrics: Pick<Metrics, "factLost">;
  readonly logger: Pick<Logger, "error">;
}

export const factKeys = {
  budget: "budget.spentAtMs",
  cooldowns: "cooldowns",
  breakers: "breakers",
  pause: "pause",
  drain: "drain",
  trials: "recovery.trials",
} as const;

/** How the row says that nobody works on an incident. */
const unattendedFlags = {
  recovery: {},
  setAside: { is_set_aside: true },
  needsPerson: { needs_person: true },
} as const;

type FactListener = (fact: SupervisorFact) => void;

/** A silence or a stall began before it was noticed; what was not observed has no first sign. */
function firstSignOf({ evidence }: Fault, noticedAtMs: number): number | null {
  if (Object.keys(evidence).length === 0) return null;
  return noticedAtMs - (evidence.silentForMs ?? evidence.stalledForMs ?? 0);
}

/** These are written together with what the store keeps beside the timeline. */
type KeptFact = Extract<
  SupervisorFact,
  {
    type:
      | `incident.${"opened" | "closed"}`
      | "budget.spent"
      | "rung.revised"
      | "trials.changed"
      | "cooldown.started"
      | `breaker.${"opened" | "halfOpened" | "closed"}`
      | `intake.${"paused" | "drained" | "resumed"}`;
  }
>;

/** The row of a fact that needs nothing but a row; null for what other rows tell already. */
function rowOf(fact: Exclude<SupervisorFact, KeptFact>): NewEvent | null {
  switch (fact.type) {
    case "mode.changed":
      return { kind: fact.type, data: { from: fact.from, to: fact.to } };
    case "incident.joined":
      return { kind: fact.type, incidentId: fact.id, jobId: fact.jobId, data: { fault: sanitise(fact.fault) } };
    case "budget.exhausted":
      return { kind: fact.type, workerId: fact.workerId, data: { action: fact.action, retry_at_ms: fact.retryAtMs } };
    case "rung.started":
    case "climb.ended":
    case "blame.settled":
    case "incident.stoodIn":
    case "incident.exhausted":
    case "canary.passed":
    case "canary.failed":
      // A fact of these kinds carries what the row of its kind carries.
      return { kind: fact.type, incidentId: fact.id, workerId: fact.workerId, data: sanitise(fact.data) } as NewEvent;
    case "rung.ended": {
      const data = { ...rungEndedRow(fact), reason: sanitiseText(fact.result.reason) };
      return { kind: fact.type, incidentId: fact.id, workerId: fact.workerId, data };
    }
    case "worker.connected":
    case "worker.exited":
    case "worker.crashLooped":
    case "worker.stopped":
    case "model.proven":
    case "pipeline.stalled":
      return { kind: fact.type, workerId: fact.workerId, data: fact.data } as NewEvent;
    case "model.loadFailed":
    case "model.loadRetried":
    case "model.setAside":
    case "worker.notStarted":
      return { kind: fact.type, workerId: fact.workerId, data: sanitise(fact.data) } as NewEvent;
    case "health.changed":
      return {
        kind: fact.type,
        data: {
          status: fact.health.status,
          issues: fact.health.issues,
          cards: fact.health.sample?.gpus.length ?? 0,
        },
      };
    case "child.crashed":
    case "child.abandoned":
      return { kind: fact.type, data: { child: fact.childId, message: sanitiseText(fact.message) } };
    case "health.checked":
    case "incident.returning":
      return null;
    default:
      return fact satisfies never;
  }
}

const rowOfRevision = ({ type, id, workerId, data }: Extract<SupervisorFact, { type: "rung.revised" }>): NewEvent => ({
  kind: type,
  incidentId: id,
  workerId,
  data,
});

const rowOfPause = ({
  type,
  pause: { by, isReleasing },
}: Extract<SupervisorFact, { type: "intake.paused" }>): NewEvent => ({
  kind: type,
  actor: by,
  data: { release_gpu: isReleasing },
});

function rowOfBreaker({
  type,
  workerId,
  breakers,
  because,
}: Extract<KeptFact, { type: `breaker.${string}` }>): NewEvent {
  if (type === "breaker.halfOpened") return { kind: type, workerId, data: { test_render: true } };
  if (type === "breaker.closed") return { kind: type, workerId, data: because === "" ? {} : { because } };
  return { kind: type, workerId, data: { because, until_ms: breakers[workerId]?.untilMs ?? 0 } };
}

async function write({ store }: RecorderNeeds, fact: SupervisorFact): Promise<void> {
  switch (fact.type) {
    case "incident.opened": {
      const { id, key, workerId, failureType, fault, model, jobId, attendance, atMs } = fact;
      const data = { fault: sanitise(fault), model, job_id: jobId, ...unattendedFlags[attendance] };
      await store.incidents.open({
        id,
        key,
        openedAtMs: atMs,
        failureType,
        workerId,
        firstEvidenceAtMs: firstSignOf(fault, atMs),
        data,
      });
      return;
    }
    case "incident.closed":
      await store.incidents.close(fact.id, fact.status, fact.climbCount, fact.blame);
      return;
    case "budget.spent":
      await store.facts.write(factKeys.budget, fact.spentAtMs, [
        { kind: fact.type, workerId: fact.workerId, data: { action: fact.action, spent: fact.spentAtMs.length } },
      ]);
      return;
    case "rung.revised":
    case "trials.changed":
      await store.facts.write(factKeys.trials, fact.trials, fact.type === "rung.revised" ? [rowOfRevision(fact)] : []);
      return;
    case "cooldown.started":
      await store.facts.write(
        factKeys.cooldowns,
        fact.cooldowns,
        fact.id === "" ? [] : [{ kind: fact.type, incidentId: fact.id, data: { until_ms: fact.untilMs } }],
      );
      return;
    case "breaker.opened":
    case "breaker.halfOpened":
    case "breaker.closed":
      await store.facts.write(factKeys.breakers, fact.breakers, [rowOfBreaker(fact)]);
      return;
    case "intake.paused":
      await store.facts.write(factKeys.pause, fact.pause, [rowOfPause(fact)]);
      return;
    case "intake.drained":
      await store.facts.write(factKeys.drain, fact.drain, [{ kind: fact.type, actor: fact.drain.by, data: {} }]);
      return;
    case "intake.resumed":
      await store.facts.writeTogether({ [factKeys.drain]: null, [factKeys.pause]: null }, [
        { kind: fact.type, actor: fact.by, data: {} },
      ]);
      return;
    default: {
      const row = rowOf(fact);
      if (row !== null) await store.events.append([row]);
    }
  }
}

/** Those who hear of facts, before and after the row is durable. */
export interface FactListeners {
  /**
   * Hears a fact before it is written: for what the service decides by in the same moment, as which models it claims
   * no job for.
   */
  readonly atOnce: FactListener;
  /** Hears a fact once it is written, in order: others are never told what a crash could take back. */
  readonly written: FactListener;
}

export interface Recorder {
  readonly actor: CallbackActorLogic<SupervisorFact, undefined>;
  /** Resolves when every fact that was told so far is written, or is known to be lost. */
  settled(): Promise<void>;
}

/**
 * Writes the supervisor's facts one after the other, and tells each once it is written. A fact that comes while
 * nothing is being written is written at once. A store that cannot write stops nothing: the fact is counted, and told all the same.
 */
export function createRecorder(parts: RecorderNeeds, { atOnce, written: tell }: FactListeners): Recorder {
  const waiting: SupervisorFact[] = [];
  // The flag is set before the first write begins: what a write makes others do may tell the next fact.
  let isWriting = false;
  let written: Promise<void> = Promise.resolve();
  const writeAll = async (): Promise<void> => {
    isWriting = true;
    for (let fact = waiting.shift(); fact !== undefined; fact = waiting.shift()) {
      try {
        await write(parts, fact);
      } catch (thrown) {
        parts.metrics.factLost();
        parts.logger.error({ event: "fact.notRecorded", fact: fact.type, message: messageOf(thrown) });
      }
      tell(fact);
    }
    isWriting = false;
  };
  return {
    actor: fromCallback<SupervisorFact, undefined>(({ receive }) => {
      receive((fact) => {
        atOnce(fact);
        waiting.push(fact);
        if (!isWriting) written = writeAll();
      });
    }),
    settled: () => written,
  };
}
