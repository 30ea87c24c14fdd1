/**
 * Turns a machine's transition into a row of the timeline. Of recovery the whole event is kept, because a replay feeds
 * the same events to the same chart.
 */
import type { StoredStep } from "../../core/events/service-events.ts";
import type { NewEvent } from "../../core/events.ts";
import { present } from "../../core/present.ts";
import type { RecordedStep, TransitionFrame } from "../../telemetry/transition-frame.ts";
import { keepable } from "./incident-evidence.ts";

const recoveryPrefix = "recovery/";

/** Each incident has an actor of its own, and all that it hears is kept, so that the incident can be replayed. */
export const isRecordedActor = (actor: string): boolean => actor.startsWith(recoveryPrefix);

/** The clock and the parent are the service's own; a replay brings others. */
function payloadOf(event: RecordedStep["event"]): Readonly<Record<string, unknown>> {
  const { type, input, ...rest } = event;
  if (type !== "xstate.init") return { ...rest, ...present({ input }) };
  const { parent: _parent, clock: _clock, ...kept } = input as Readonly<Record<string, unknown>>;
  return kept;
}

/** The row of one transition of one machine. */
export function rowOfTransition({
  actor,
  from,
  to,
  event,
  tags,
  step,
}: TransitionFrame): NewEvent<"machine.transitioned"> {
  const data = { actor, from, to, event, tags };
  if (step === undefined) return { kind: "machine.transitioned", data };
  const { number, atMs, reports } = step;
  const stored: StoredStep = {
    number,
    at_ms: atMs,
    payload: keepable(payloadOf(step.event)) as StoredStep["payload"],
    reports,
  };
  return {
    kind: "machine.transitioned",
    incidentId: actor.slice(recoveryPrefix.length),
    data: { ...data, step: stored },
  };
}
