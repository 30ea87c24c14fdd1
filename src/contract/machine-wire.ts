/** Statecharts and their actors on the wire. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { Chart, ChartState, MachineActor, MachineActorDetails, MachineStep } from "../core/ports/machine-feed.ts";
import { present, withoutNulls } from "../core/present.ts";
import { toWire } from "./renaming.ts";

const stateFields = {
  /** `recovery.choosing.examining` */
  id: z.string(),
  name: z.string(),
  /** One sentence for operators. */
  description: z.string(),
  tags: z.array(z.string()),
  /** Actors that run while the state lasts. */
  actors: z.array(z.string()),
  initial: z.boolean(),
  final: z.boolean(),
  parallel: z.boolean(),
};
interface StateWire {
  id: string;
  name: string;
  description: string;
  tags: string[];
  actors: string[];
  initial: boolean;
  final: boolean;
  parallel: boolean;
  states: StateWire[];
}
const stateSchema: z.ZodType<StateWire> = z
  .strictObject({
    ...stateFields,
    get states() {
      return z.array(stateSchema);
    },
  })
  .meta({ id: "MachineState" });

export const definitionSchema = z
  .strictObject({
    /** As its file is called: `model-loader`. */
    machine: z.string(),
    id: z.string(),
    states: z.array(stateSchema),
    /** `from: "any"` holds in every state; a label names event and guard. */
    transitions: z.array(z.strictObject({ from: z.string(), to: z.string(), labels: z.array(z.string()) })),
  })
  .meta({ id: "MachineDefinition" });

const actorFields = {
  actor: z.string(),
  machine: z.string(),
  /** `living.idle`; regions are joined with a plus sign. */
  path: z.string(),
  active: z.array(z.string()),
  tags: z.array(z.string()),
  since: z.iso.datetime(),
  /** Pending delays, the next one first. */
  deadlines: z.array(z.strictObject({ delay: z.string(), state: z.string().optional(), due_at: z.iso.datetime() })),
};

export const actorSchema = z
  .strictObject({
    ...actorFields,
    takes: z.array(z.strictObject({ event: z.string(), condition: z.string().optional() })),
    /** Fields that name and count things; nothing that was written by a person. */
    context: z.record(z.string(), z.unknown()),
    recent: z.array(
      z.strictObject({ at: z.iso.datetime(), from: z.string().optional(), to: z.string(), event: z.string() }),
    ),
  })
  .meta({ id: "MachineActor" });

/** One step of one actor, as the stream sends it. */
export const stepSchema = z.strictObject({
  ...actorFields,
  at: z.iso.datetime(),
  from: z.string().optional(),
  event: z.string(),
  ended: z.boolean(),
});

export const actorsSchema = z.strictObject({ at: z.iso.datetime(), actors: z.array(actorSchema) });
export const machinesSchema = z
  .strictObject({ ...actorsSchema.shape, definitions: z.array(definitionSchema) })
  .meta({ id: "Machines" });

const toState = (state: ChartState): StateWire => ({
  id: state.id,
  name: state.name,
  description: state.description,
  tags: [...state.tags],
  actors: [...state.actors],
  initial: state.isInitial,
  final: state.isFinal,
  parallel: state.isParallel,
  states: state.children.map(toState),
});

const toDefinition = (chart: Chart): z.infer<typeof definitionSchema> => ({
  machine: chart.name,
  id: chart.id,
  states: chart.states.map(toState),
  transitions: chart.edges.map(({ from, to, labels }) => ({ from, to, labels: [...labels] })),
});

const toPlace = (view: MachineActor) => ({
  actor: view.actor,
  machine: view.machine,
  path: view.path,
  active: [...view.active],
  tags: [...view.tags],
  since: isoOf(view.sinceMs),
  deadlines: view.deadlines.map(({ delay, state, dueAtMs }) => ({
    delay,
    ...present({ state: state === "" ? undefined : state }),
    due_at: isoOf(dueAtMs),
  })),
});

const toActor = (view: MachineActorDetails): z.infer<typeof actorSchema> => ({
  ...toPlace(view),
  takes: view.takes.map(({ event, condition }) => ({ event, ...withoutNulls({ condition }) })),
  context: toWire(view.context),
  recent: view.recent.map(({ atMs, from, to, event }) => ({ at: isoOf(atMs), ...withoutNulls({ from }), to, event })),
});

export const toStep = (step: MachineStep, nowMs: number): z.infer<typeof stepSchema> => ({
  ...toPlace(step),
  at: isoOf(nowMs),
  ...withoutNulls({ from: step.from }),
  event: step.event,
  ended: step.isLast,
});

export const toActors = (actors: readonly MachineActorDetails[], nowMs: number): z.infer<typeof actorsSchema> => ({
  at: isoOf(nowMs),
  actors: actors.map(toActor),
});

export const toMachines = (
  charts: readonly Chart[],
  actors: readonly MachineActorDetails[],
  nowMs: number,
): z.infer<typeof machinesSchema> => ({ ...toActors(actors, nowMs), definitions: charts.map(toDefinition) });
