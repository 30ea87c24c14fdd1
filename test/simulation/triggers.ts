/**
 * An operator who triggers recovery now and then, and compares each answer with the rows and the mode: what it says was
 * done must have been done, and what it says is on must be on.
 */
import { drawInteger } from "../../src/core/chance.ts";
import type { TimelineRow } from "../../src/core/events.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { type FailureType, failureTypes, type Mode } from "../../src/core/words.ts";
import { ask } from "./ask.ts";
import type { World } from "./world.ts";

interface ShownAction {
  readonly action: string;
  readonly outcome: string;
}

interface Answer {
  readonly success: boolean;
  readonly pending: boolean;
  readonly message: string;
  readonly outcome?: string;
  readonly real_generation_enabled: boolean;
  readonly incident_id?: string;
  readonly actions: readonly ShownAction[];
}

interface Triggered {
  readonly failureType: FailureType;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly answer: Answer;
  readonly modeAfter: Mode;
  /** Nothing was wrong for a while before it, and nobody forced it. */
  readonly isHealthy: boolean;
}

interface Rung extends ShownAction {
  readonly atMs: number;
}

export interface TriggerBook {
  note(triggered: Triggered): void;
  read(row: TimelineRow): void;
  findLies(): string[];
}

/** The compatible client gives up at 30 s. */
const answerWithinMs = 25 * secondMs;
const quietMs = 40 * minuteMs;

const realModes: readonly Mode[] = ["ready", "degraded"];

/** What the answer says against what the rows say. */
function liesOf(
  { answer, modeAfter, isHealthy, askedAtMs, answeredAtMs }: Triggered,
  rungs: readonly Rung[],
  hasCanaryPassed: boolean,
): string[] {
  const { actions, message, pending, success } = answer;
  const ran = rungs.filter(({ atMs }) => atMs >= askedAtMs && atMs <= answeredAtMs);
  const text = (list: readonly ShownAction[]): string =>
    list.map(({ action, outcome }) => `${action} ${outcome}`).join();
  const lies: string[] = [];
  if (answeredAtMs - askedAtMs > answerWithinMs)
    lies.push(`came after ${Math.round((answeredAtMs - askedAtMs) / secondMs)} s`);
  if (!pending && text(actions) !== text(ran)) lies.push(`says that ${text(actions)} ran, and ${text(ran)} did`);
  if (/test render passed/i.test(message) && !hasCanaryPassed)
    lies.push("says that a test render passed, and none was made");
  if (answer.real_generation_enabled && modeAfter === "mock")
    lies.push("says that real generation is on, in mode mock");
  if (!answer.real_generation_enabled && realModes.includes(modeAfter))
    lies.push(`says that real generation is off, in mode ${modeAfter}`);
  // A climb that is under way has no outcome yet, whatever serves meanwhile.
  if (!pending && (answer.outcome === "standing_in") !== (modeAfter === "mock"))
    lies.push(`says outcome ${answer.outcome ?? "none"} in mode ${modeAfter}`);
  if (isHealthy && !success && !pending) lies.push(`says on a healthy service: ${message}`);
  if (isHealthy && modeAfter === "mock") lies.push("left a healthy service in mode mock");
  return lies;
}

export function createTriggerBook(): TriggerBook {
  const rungs = new Map<string, Rung[]>();
  const passedAtMs = new Map<string, number>();
  let open: Triggered[] = [];
  return {
    note: (triggered) => {
      open.push(triggered);
    },
    read: (row) => {
      const { incidentId, atMs } = row;
      if (incidentId === null) return;
      if (row.kind === "canary.passed") passedAtMs.set(incidentId, atMs);
      if (row.kind !== "rung.ended") return;
      const { action, outcome } = row.data;
      rungs.set(incidentId, [...(rungs.get(incidentId) ?? []), { action, outcome, atMs }]);
    },
    findLies: () => {
      const judged = open;
      open = [];
      return judged.flatMap((triggered) => {
        const id = triggered.answer.incident_id ?? "";
        const hasPassed = (passedAtMs.get(id) ?? 0) >= triggered.askedAtMs;
        return liesOf(triggered, rungs.get(id) ?? [], hasPassed).map(
          (lie) => `the answer to a trigger of ${triggered.failureType} ${lie}`,
        );
      });
    },
  };
}

/** Triggers a repair by chance, forced one time in four; what comes is compared later, when the rows have been read. */
export async function triggerRepair(world: World, book: TriggerBook): Promise<void> {
  const { chance, clock, disturbances, current } = world;
  if (current === null) return;
  const failureType = failureTypes[drawInteger(chance, 0, failureTypes.length - 1)] ?? "network_error";
  const isForced = chance.next() < 0.25;
  const askedAtMs = clock.nowMs();
  const isQuiet = disturbances.findWithin(askedAtMs - quietMs, askedAtMs) === null;
  const isHealthy =
    isQuiet && !isForced && Object.keys(current.service.supervisor.getSnapshot().context.incidents).length === 0;
  const response = await ask(world, "/api/v1/recovery/trigger", {
    method: "POST",
    body: JSON.stringify({ failure_type: failureType, force: isForced }),
  });
  if (world.current !== current) return;
  const answeredAtMs = clock.nowMs();
  if (response === null) {
    world.problems.push(`a trigger of ${failureType} had no answer in ${(answeredAtMs - askedAtMs) / secondMs} s`);
    return;
  }
  if (response.status !== 200) return;
  const answer = (await response.json()) as Answer;
  const modeAfter = current.service.supervisor.getSnapshot().context.mode;
  const wasDisturbed = disturbances.findWithin(askedAtMs, answeredAtMs) !== null;
  book.note({ failureType, askedAtMs, answeredAtMs, answer, modeAfter, isHealthy: isHealthy && !wasDisturbed });
}
