/**
 * `understudy replay`: runs an incident's recorded events through today's recovery machine and prints every step. It
 * reads the database without writing, so it also works beside a running service or on a copy.
 */
import { join } from "node:path";
import type { Difference } from "../app/incidents/incident-facts.ts";
import type { Replay, ReplayedLife, ReplayedStep } from "../app/incidents/incident-replay.ts";
import { replayOffline } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";
import { isoOf } from "../core/clock.ts";

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** `xstate.done.actor.0.recovery.acting` → `acting is done`; a timer by the name of its delay; other events as they are. */
function eventWords(event: string): string {
  const [, kind = "", rest = ""] = /^xstate\.(init|after|done\.actor|error\.actor)\.?(.*)$/.exec(event) ?? [];
  if (kind === "init") return "it begins";
  if (kind === "after") return `${rest.split(".")[0] ?? ""} is over`;
  const state = rest.replace(/^\d+\.recovery\./, "");
  if (kind === "done.actor") return `${state} is done`;
  return kind === "error.actor" ? `${state} ended in an error` : event;
}

function reportWords(report: ReplayedStep["reports"][number]): string {
  if (report.type === "rung.ended")
    return `${report.type}: ${report.result.action} ${report.result.outcome}, ${report.result.reason}`;
  return "action" in report ? `${report.type}: ${report.action}` : report.type;
}

const differenceLines = ({ where, recorded, replayed }: Difference): string[] => [
  `  DIFFERS in ${where}`,
  `    recorded: ${recorded}`,
  `    replayed: ${replayed}`,
];

function stepLines(step: ReplayedStep, startMs: number): string[] {
  const seconds = ((step.atMs - startMs) / 1_000).toFixed(3);
  const move = step.from === step.to ? step.to : `${step.from ?? "(start)"} → ${step.to}`;
  return [
    `${String(step.number).padStart(4)}  +${seconds.padStart(9)} s  ${move}   [${eventWords(step.event)}]`,
    ...(step.meaning === null ? [] : [`      ${step.meaning}`]),
    ...step.reports.map((report) => `      · ${reportWords(report)}`),
    ...(step.difference === null ? [] : differenceLines(step.difference)),
  ];
}

function lifeLines({ steps, differences }: ReplayedLife, index: number): string[] {
  const startMs = steps[0]?.atMs ?? 0;
  const head = index === 0 ? `Begins ${isoOf(startMs)}` : `Goes on ${isoOf(startMs)}, after a restart of the service`;
  return ["", head, ...steps.flatMap((step) => stepLines(step, startMs)), ...differences.flatMap(differenceLines)];
}

/** The whole replay in lines for a terminal. */
export function replayLines(incidentId: string, status: string, replay: Replay): string[] {
  const stepCount = replay.lives.reduce((sum, life) => sum + life.steps.length, 0);
  const verdict = replay.isSame
    ? `All ${stepCount} steps came out as they were recorded.`
    : "The replay differs from what was recorded; see DIFFERS above.";
  return [`Incident ${incidentId}, ${status}`, ...replay.lives.flatMap(lifeLines), "", verdict];
}

/** Runs an incident's rows through the machine again, and says each step; 1 when one differs or nothing can be replayed. */
export function showReplay(config: Config, incidentId: string): number {
  const answer = replayOffline(join(config.stateDir, "understudy.db"), incidentId);
  if (answer.kind === "absent") {
    const known = answer.newestIds.length === 0 ? "None is kept." : `The newest: ${answer.newestIds.join(", ")}.`;
    say(`There is no incident ${incidentId} in ${config.stateDir}. ${known}`);
    return 1;
  }
  if (answer.kind === "unrecorded") {
    say(`Incident ${incidentId} cannot be replayed: its first step is not kept any more, or was never written.`);
    return 1;
  }
  say(replayLines(incidentId, answer.status, answer.replay).join("\n"));
  return answer.replay.isSame ? 0 : 1;
}
