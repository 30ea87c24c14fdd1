/**
 * An incident once more: the events that its rows kept go through the same machine, purely. No effect runs, no timer is armed, and
 * the clock stands at each row's time. States, reports and facts must come out as they were written.
 */
import { isDeepStrictEqual } from "node:util";
import { createEmptyActor, type EventFromLogic, initialTransition, type SnapshotFrom, transition } from "xstate";
import type { StoredStep } from "../../core/events/service-events.ts";
import { isRowOf, type TimelineRow } from "../../core/events.ts";
import { ifKnown, present } from "../../core/present.ts";
import { recoveryMachine } from "../../machines/recovery.machine.ts";
import type { RecoveryInput, RecoveryReport } from "../../machines/recovery-types.ts";
import { pathOfValue } from "../../telemetry/transitions.ts";
import { type Difference, differenceInFacts, type FactRow, factKinds } from "./incident-facts.ts";

export interface ReplayedStep {
  readonly number: number;
  readonly atMs: number;
  readonly event: string;
  readonly from: string | null;
  readonly to: string;
  readonly reports: readonly RecoveryReport[];
  /** What the chart says of the state that was entered; null where the state stayed the same. */
  readonly meaning: string | null;
  readonly difference: Difference | null;
}

/** One run of the incident's actor: a restart of the service begins another. */
export interface ReplayedLife {
  readonly steps: readonly ReplayedStep[];
  /** What the life as a whole lacks: rows that were lost, or facts that nothing explains. */
  readonly differences: readonly Difference[];
}

export interface Replay {
  readonly lives: readonly ReplayedLife[];
  readonly isSame: boolean;
}

type RecoverySnapshot = SnapshotFrom<typeof recoveryMachine>;
type MachineEvent = EventFromLogic<typeof recoveryMachine>;
type Actions = ReturnType<typeof initialTransition<typeof recoveryMachine>>[1];

interface RecordedRow {
  readonly seq: number;
  readonly event: string;
  readonly to: string;
  readonly step: StoredStep;
}

const endStates: ReadonlySet<string> = new Set(["resolved", "stopped"]);

function recordedOf(row: TimelineRow): RecordedRow | null {
  if (row.kind !== "machine.transitioned" || row.data.step === undefined) return null;
  const { event, to, step } = row.data;
  return { seq: row.seq, event, to, step };
}

/** What a fault that joined did not tell when programs did not ask who was to blame. */
const ofOlderPrograms = { jobId: null, isDeath: false };

/** JSON made an object of what a failed effect had thrown; the machine asks it for its message. */
function eventOf({ event, step }: RecordedRow): MachineEvent {
  const { error, ...rest } = step.payload;
  const thrown = error as { readonly message?: unknown } | undefined;
  return {
    type: event,
    ...(event === "fault.joined" ? ofOlderPrograms : {}),
    ...rest,
    ...present({ error: ifKnown(thrown, ({ message }) => new Error(String(message))) }),
  } as MachineEvent;
}

function reportsOf(actions: Actions, parent: unknown): RecoveryReport[] {
  return actions.flatMap((action) => {
    const { to, event } = (action.params ?? {}) as { readonly to?: unknown; readonly event?: unknown };
    return action.type === "xstate.sendTo" && to === parent ? [event as RecoveryReport] : [];
  });
}

const meaningOf = (snapshot: RecoverySnapshot): string =>
  snapshot._nodes.findLast((node) => node.type === "atomic" || node.type === "final")?.description ?? "";

/** The first thing that differs between a step's row and its replay. */
function differenceIn(row: RecordedRow, to: string, reports: readonly RecoveryReport[]): Difference | null {
  const { number } = row.step;
  const types = reports.map((report) => report.type);
  if (to !== row.to) return { where: `step ${number} (row ${row.seq}), the state`, recorded: row.to, replayed: to };
  if (isDeepStrictEqual(types, row.step.reports)) return null;
  const said = (list: readonly string[]): string => (list.length === 0 ? "nothing" : list.join(", "));
  return {
    where: `step ${number} (row ${row.seq}), the reports`,
    recorded: said(row.step.reports),
    replayed: said(types),
  };
}

function replaySteps(rows: readonly RecordedRow[]): ReplayedStep[] {
  let nowMs = 0;
  // Nothing runs: what would be sent to it is read from the actions.
  const parent = createEmptyActor();
  let snapshot: RecoverySnapshot | null = null;
  return rows.map((row) => {
    nowMs = row.step.at_ms;
    const from: string | null = snapshot === null ? null : pathOfValue(snapshot.value);
    // An older program named the one job that failed.
    const jobIds = typeof row.step.payload["jobId"] === "string" ? [row.step.payload["jobId"]] : [];
    const kept: object = { jobIds, ...row.step.payload, parent, clock: { nowMs: () => nowMs } };
    // The first step of a life keeps the input.
    const input = kept as RecoveryInput;
    const [next, actions]: [RecoverySnapshot, Actions] =
      snapshot === null
        ? initialTransition(recoveryMachine, input)
        : transition(recoveryMachine, snapshot, eventOf(row));
    snapshot = next;
    const to = pathOfValue(next.value);
    const reports = reportsOf(actions, parent);
    const difference = differenceIn(row, to, reports);
    const meaning = from === to ? null : meaningOf(next);
    return { number: row.step.number, atMs: nowMs, event: row.event, from, to, reports, meaning, difference };
  });
}

function lostRows(rows: readonly RecordedRow[]): Difference[] {
  return rows.flatMap(({ step, seq }, index) =>
    step.number === index + 1
      ? []
      : [
          {
            where: `row ${seq}`,
            recorded: `step ${step.number}`,
            replayed: `step ${index + 1}: rows are missing before it`,
          },
        ],
  );
}

interface Life {
  readonly recorded: readonly RecordedRow[];
  readonly facts: readonly FactRow[];
}

/**
 * A life goes from one first step to the next. Facts are written at once and steps a moment later, so facts go by
 * their time, not by their place.
 */
function livesOf(rows: readonly TimelineRow[]): Life[] {
  const recorded = rows.flatMap((row) => recordedOf(row) ?? []);
  const facts = rows.filter((row) => isRowOf(row, ...factKinds));
  const starts = recorded.flatMap(({ event }, index) => (event === "xstate.init" ? [index] : []));
  return starts.map((start, index) => {
    const next = starts[index + 1];
    const fromMs = recorded[start]?.step.at_ms ?? 0;
    const untilMs = next === undefined ? Number.POSITIVE_INFINITY : (recorded[next]?.step.at_ms ?? 0);
    return {
      recorded: recorded.slice(start, next),
      facts: facts.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs),
    };
  });
}

function replayLife({ recorded, facts }: Life): ReplayedLife {
  const lost = lostRows(recorded);
  // After a gap the machine would be led astray by what it never heard of: only what comes before is run.
  const firstLost = recorded.findIndex(({ step }, index) => step.number !== index + 1);
  const steps = replaySteps(firstLost === -1 ? recorded : recorded.slice(0, firstLost));
  const reports = steps.flatMap((step) => step.reports);
  const isEnded = firstLost === -1 && endStates.has(steps.at(-1)?.to ?? "");
  return { steps, differences: [...lost.slice(0, 1), ...differenceInFacts(facts, reports, isEnded)] };
}

/** @param rows all rows of one incident, oldest first; null when the beginning of every life is gone */
export function replayIncident(rows: readonly TimelineRow[]): Replay | null {
  const lives = livesOf(rows).map(replayLife);
  if (lives.length === 0) return null;
  const isSame = lives.every(
    (life) => life.differences.length === 0 && life.steps.every((step) => step.difference === null),
  );
  return { lives, isSame };
}
