/**
 * Runs one effect of app under a small machine that listens, for tests of what the effect tells and of what it does
 * when its state is left.
 */
import { type CallbackActorLogic, createActor, createMachine, type EventObject } from "xstate";

/** What an effect tells the machine that invokes it, and the end of it. */
export interface Listened<Told extends EventObject> {
  readonly types: () => readonly string[];
  readonly ofType: <Type extends Told["type"]>(type: Type) => readonly Extract<Told, { type: Type }>[];
  /** As a machine does that leaves the state. */
  stop(): void;
}

/** Invokes an effect of app as a machine would. */
export function listenTo<Told extends EventObject, Input>(
  logic: CallbackActorLogic<Told, Input>,
  input: Input,
): Listened<Told> {
  const told: EventObject[] = [];
  const machine = createMachine({
    types: {} as { events: EventObject },
    invoke: { src: logic, input },
    on: { "*": { actions: ({ event }) => void told.push(event) } },
  });
  const root = createActor(machine).start();
  return {
    types: () => told.map(({ type }) => type),
    ofType: <Type extends Told["type"]>(type: Type) =>
      told.filter((event): event is Extract<Told, { type: Type }> => event.type === type),
    stop: () => void root.stop(),
  };
}
