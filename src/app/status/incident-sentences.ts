/** What is being done about an open incident, for people. A wait names its end. */
import { minuteMs, secondMs } from "../../core/units.ts";
import type { OpenIncident, WorkerFacts } from "../../machines/supervisor-facts.ts";
import { remedyOf } from "../../recovery/unstartable.ts";
import { sanitiseText } from "../incidents/incident-evidence.ts";

/** How long it is until then, rounded as people say it. */
function inWords(untilMs: number, nowMs: number): string {
  const leftMs = Math.max(0, untilMs - nowMs);
  return leftMs < 2 * minuteMs ? `${Math.ceil(leftMs / secondMs)} s` : `${Math.round(leftMs / minuteMs)} min`;
}

const lookingBack = ({ lookBackAtMs }: OpenIncident, nowMs: number): string =>
  lookBackAtMs === null || lookBackAtMs <= nowMs
    ? "looks back by itself"
    : `looks back by itself in ${inWords(lookBackAtMs, nowMs)}`;

function stageSentence(incident: OpenIncident, worker: WorkerFacts | undefined, nowMs: number): string {
  switch (incident.stage) {
    case "checking":
      return "a test render decides whether there is anything to repair";
    case "working":
      return "being repaired";
    case "returning":
      return "the main model passed its test render; one job is let through before all are";
    case "standingIn":
      return `stand-ins serve; ${lookingBack(incident, nowMs)}`;
    case "exhausted":
      return `needs you; ${lookingBack(incident, nowMs)}`;
    case "setAside":
      return `${incident.model ?? incident.workerId}: set aside, and keeps nobody else from serving; the next job that wants it tries again after a while`;
    case "unstartable": {
      const startsAtMs = worker?.startsAtMs ?? null;
      const latest =
        startsAtMs === null || startsAtMs <= nowMs ? "" : `, at the latest in ${inWords(startsAtMs, nowMs)}`;
      return `${incident.workerId} cannot start: ${sanitiseText(remedyOf(incident.fault))} It is tried again when its program changes or on request${latest}`;
    }
  }
}

/** While its worker's process is away, the next start is named as well. */
export function incidentSentence(incident: OpenIncident, worker: WorkerFacts | undefined, nowMs: number): string {
  const sentence = stageSentence(incident, worker, nowMs);
  const startsAtMs = worker?.startsAtMs ?? null;
  if (incident.stage === "unstartable" || incident.stage === "setAside" || startsAtMs === null || startsAtMs <= nowMs)
    return sentence;
  return `${sentence}; its worker is started again in ${inWords(startsAtMs, nowMs)}`;
}

/** For those who ask for health alone: what keeps workers from starting. */
export const unstartableIssues = (
  incidents: readonly OpenIncident[],
): readonly { readonly issue: string; readonly recommendation: string }[] =>
  incidents
    .filter(({ stage }) => stage === "unstartable")
    .map(({ workerId, fault }) => ({
      issue: `${workerId} cannot start: ${sanitiseText(fault.message)}`,
      recommendation: sanitiseText(fault.operatorAction ?? "Mend what the worker names."),
    }));
