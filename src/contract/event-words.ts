/** Rows of the event log in words for people. What only machines care about has none, and pages leave it out. */

import { isoOf } from "../core/clock.ts";
import type { EventMap, EventRow, RowHead, TimelineRow, ToldKind } from "../core/events.ts";
import { secondMs } from "../core/units.ts";
import type { Blame, ClimbOutcome, Mode, Outcome } from "../core/words.ts";
import { plainName } from "./plain-names.ts";

type Words = { readonly [Kind in ToldKind]: (row: EventRow<Kind>) => string };

const short = (id: string | null): string => (id === null ? "" : ` ${id.slice(0, 8)}`);
const worker = (row: RowHead): string => row.workerId ?? "the worker";
const plain = (text: string, otherwise: string): string => (text === "" ? otherwise : plainName(text));

/** Names of workers and messages of faults begin and end as they like; a sentence does not. */
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

const outcomeWords: Readonly<Record<Outcome, string>> = {
  effective: "it helped",
  ineffective: "it did not help",
  failed: "it could not be done",
  unknown: "whether it helped could not be measured",
  skipped: "skipped, because it cannot help here",
};

const blameWords: Readonly<Record<Blame, string>> = {
  job: "The job itself is suspected, and the worker goes on.",
  size: "The job is too large for the memory as it is used now; the worker goes on.",
  route: "The worker is to blame, not the job.",
};

/** Where a job is to blame, nothing was repaired. */
const resolvedWords: Readonly<Record<Blame, string>> = {
  job: "The worker is sound; the job itself is suspected.",
  size: "The worker is sound; the job is too large for the memory as it is used now.",
  route: "Repaired: the model passed its proof.",
};

const climbEndWords: Readonly<Record<ClimbOutcome, string>> = {
  repaired: "The steps of this repair are over: it works.",
  stoodIn: "The steps of this repair are over; a stand-in serves.",
  inVain: "The steps of this repair are over: they changed nothing, and the worker goes on.",
};

function healthWords({ status, issues, cards }: EventMap["health.changed"]): string {
  // Of a card that nobody measures nothing is known.
  if (status === "healthy") return cards === 0 ? "The host is well; no card is measured." : "Host and card are well.";
  if (status === "unknown") return "Host and card are not measured any more.";
  return issues.length > 0 ? issues.map(({ message }) => message).join(" ") : "The health of host or card changed.";
}

function reloadWords({ applied, waiting }: EventMap["configuration.reloaded"]): string {
  const now = applied.length === 0 ? "nothing takes effect" : `these take effect: ${applied.join(", ")}`;
  const later = waiting.length === 0 ? "" : ` Other changes wait for the next start: ${waiting.join(", ")}.`;
  return `The configuration was read again; ${now}.${later}`;
}

/** Rows of former versions have none of these times. */
function drillWords({ drill, passed, ...times }: EventMap["drill.ended"]): string {
  const after = (what: string, ms: number | null | undefined): string[] =>
    ms === undefined || ms === null ? [] : [`${what} ${(ms / secondMs).toFixed(1)} s`];
  const seen = [
    ...after("its owner was told after", times.told_ms),
    ...after("had the video after", times.delivered_ms),
    ...after("a bystander waited", times.bystander_ms),
  ];
  const verdict = `The drill ${plainName(drill)} ${passed ? "was passed" : "was not passed"}`;
  return `${verdict}${seen.length === 0 ? "" : `: ${seen.join(", ")}`}.`;
}

const timeOfDay = (atMs: number): string => `${isoOf(atMs).slice(11, 19)} UTC`;

const nextTry = ({ try_number, try_count, retry_at_ms }: EventMap["model.loadRetried"]): string =>
  `Try ${try_number} of ${try_count} begins at ${timeOfDay(retry_at_ms)}.`;

/** How pages name the modes. */
export const modeWords: Readonly<Record<Mode, string>> = {
  loading: "loading the main model",
  ready: "ready",
  degraded: "working with limits",
  recovering: "repairing itself",
  mock: "showing stand-ins only: no real video right now",
  draining: "stopping",
};

const words: Words = {
  "service.started": () => "The service started.",
  "service.stopped": (row) =>
    row.data.workers_go_on ? "The service stopped; its workers go on." : "The service stopped.",
  "mode.changed": (row) => `The service is now ${modeWords[row.data.to]}.`,
  "job.submitted": (row) => `Job${short(row.jobId)} was accepted.`,
  "job.claimed": (row) => `Job${short(row.jobId)} is being rendered by ${worker(row)}.`,
  "job.succeeded": (row) =>
    row.data.served_by === "stand_in"
      ? `Job${short(row.jobId)} ended with its stand-in.`
      : `Job${short(row.jobId)} is ready: ${row.data.simulated ? "a simulated video" : "the real video"}.`,
  "job.failed": (row) => `Job${short(row.jobId)} failed: ${plain(row.data.message, "no reason was given")}`,
  "job.retried": (row) =>
    `Job${short(row.jobId)} will be tried again: ${plain(row.data.message, "its attempt failed")}`,
  "job.quarantined": (row) => `Job${short(row.jobId)} was set aside, because it ended the worker more than once.`,
  "job.cancelled": (row) => `Job${short(row.jobId)} was cancelled.`,
  "job.cancelRequested": (row) => `Job${short(row.jobId)} is being cancelled.`,
  "job.released": (row) => `Job${short(row.jobId)} waits again.`,
  "job.changed": (row) =>
    `Job${short(row.jobId)} is rendered in a changed form, as it allows, because memory does not suffice.`,
  "job.adopted": (row) => `Job${short(row.jobId)} went on through a restart of the service.`,
  "job.expired": (row) => `Job${short(row.jobId)} passed its deadline.`,
  "job.dropped": (row) => `Job${short(row.jobId)} was dropped by an operator.`,
  "webhook.abandoned": (row) =>
    `The webhook of job${short(row.jobId)} could not be told: ${plain(row.data.problem, "every try failed")}`,
  "job.requeued": (row) => `Job${short(row.jobId)} was put back into the queue.`,
  "job.acquitted": (row) => `Job${short(row.jobId)} is not to blame for its failure; it is rendered again.`,
  "job.stoodIn": (row) =>
    `Job${short(row.jobId)} shows a stand-in: ${plain(row.data.reason ?? "", "no real video is possible now")}`,
  "render.began": (row) => `The render of job${short(row.jobId)} began.`,
  "render.completed": (row) => `Job${short(row.jobId)} was rendered; its file is being checked.`,
  "worker.connected": (row) => `${worker(row)} is connected.`,
  "worker.exited": (row) =>
    `${worker(row)} ${row.data.expected ? "ended, as it was asked to" : "ended; it is started again"}.`,
  "worker.crashLooped": (row) => `${worker(row)} ended too often and is left alone for a while.`,
  "worker.notStarted": (row) =>
    `${worker(row)} cannot start: ${row.data.message} It is tried again when that is mended, or on request.`,
  "worker.stopped": (row) => `${worker(row)} was stopped.`,
  "worker.recycled": (row) => `${worker(row)} keeps memory of finished jobs; it is started anew before that costs one.`,
  "worker.killed": (row) => `${worker(row)} was killed on request.`,
  "pipeline.stalled": (row) => `The render on ${worker(row)} stalled.`,
  "model.proven": (row) =>
    `The model on ${worker(row)} passed its test render${row.data.rendered === undefined ? "" : `: ${row.data.rendered}`}.`,
  "profile.changed": (row) =>
    `${worker(row)} loads in memory mode ${row.data.to} instead of ${row.data.from}: ${plain(row.data.why, "no reason was given")}`,
  "model.loadRetried": (row) =>
    `${plainName(row.data.model)} could not be loaded on ${worker(row)}: ${plain(row.data.message, "no reason was given")} ${nextTry(row.data)}`,
  "model.downloadRetried": (row) =>
    `The download of ${plainName(row.data.model)} broke off: ${plain(row.data.message, "no reason was given")} ${nextTry(row.data)}`,
  "model.loadFailed": (row) => `The model on ${worker(row)} could not be loaded.`,
  "model.setAside": (row) =>
    `${plainName(row.data.model)} could not be loaded on ${worker(row)} and is set aside; the worker goes back to its own.`,
  "incident.opened": (row) =>
    row.data.is_set_aside === true
      ? `Trouble: ${plainName(row.data.model ?? "a model")} cannot be loaded. The next job that wants it tries again after a while.`
      : row.data.needs_person === true
        ? `Trouble: ${worker(row)} cannot start. It needs you.`
        : `Trouble: ${plainName(row.data.failure_type)}. Recovery begins.`,
  "incident.joined": (row) => `More trouble of the same incident: ${plain(row.data.fault.message, "another fault")}`,
  "incident.closed": ({ data: { status, blame = "route" } }) =>
    status === "resolved" ? resolvedWords[blame] : "The incident was closed.",
  "incident.stoodIn": () => "Stand-ins serve until the main model has been proven again.",
  "incident.exhausted": () => "Every repair was tried; from now on only test renders look whether it works again.",
  "rung.started": (row) => `Trying: ${plainName(row.data.action)}.`,
  "rung.ended": (row) => `${plainName(row.data.action)}: ${outcomeWords[row.data.outcome]}.`,
  "rung.revised": (row) =>
    `${plainName(row.data.action)} after all: ${outcomeWords[row.data.to]}, because ${row.data.reason}.`,
  "blame.settled": (row) => `${blameWords[row.data.blame]} ${row.data.because}`,
  "climb.ended": (row) => climbEndWords[row.data.outcome],
  "canary.passed": () => "A test render passed.",
  "canary.failed": () => "A test render failed.",
  "cooldown.started": () => "Recovery pauses before the next try.",
  "breaker.opened": (row) =>
    row.data.because === undefined || row.data.until_ms === undefined
      ? `${worker(row)} gets no more jobs for now.`
      : `${worker(row)} gets no jobs until ${timeOfDay(row.data.until_ms)}, because ${row.data.because}.`,
  "breaker.halfOpened": (row) =>
    `${worker(row)} ${row.data.test_render === true ? "is tried by a test render" : "gets one job"}, to see whether it can work again.`,
  "breaker.closed": (row) =>
    `${worker(row)} gets jobs again${row.data.because === undefined ? "" : `, because ${row.data.because}`}.`,
  "budget.spent": (row) => `A heavy step was allowed: ${plainName(row.data.action)}.`,
  "budget.exhausted": () => "Heavy repairs wait, because too many were made within the hour.",
  "recovery.triggered": (row) => `A repair was asked for: ${plainName(row.data.failure_type)}.`,
  "monitoring.stopped": () => "Host and card are not measured any more, as an operator asked.",
  "monitoring.started": () => "Host and card are measured again.",
  "recovery.reset": () => "Recovery was reset.",
  "intake.paused": (row) => (row.data.release_gpu ? "Paused, and the cards are given back." : "Paused: no job begins."),
  "intake.drained": () => "Drained: nothing new is taken; what was accepted is rendered.",
  "intake.resumed": () => "Jobs are taken again.",
  "configuration.reloaded": (row) => reloadWords(row.data),
  "disk.short": () => "The disk is full: nothing is accepted or rendered until there is room.",
  "disk.recovered": () => "The disk has room again.",
  "drill.began": (row) => `A drill began: ${plainName(row.data.drill)}.`,
  "drill.ended": (row) => drillWords(row.data),
  "disk.ballastReleased": () => "The disk is full; the space that was held back for it is in use now.",
  "health.changed": (row) => healthWords(row.data),
};

/** They belong to the story of an incident; beside the other rows they tell a person nothing new. */
const storyKinds: ReadonlySet<ToldKind> = new Set([
  "render.began",
  "render.completed",
  "worker.stopped",
  "climb.ended",
  "breaker.halfOpened",
  "budget.spent",
]);

/** The kinds of rows that pages list, in words. */
export const listedKinds: readonly ToldKind[] = (Object.keys(words) as ToldKind[]).filter(
  (kind) => !storyKinds.has(kind),
);

const isTold = (row: TimelineRow): row is EventRow<ToldKind> => Object.hasOwn(words, row.kind);
const tell = <Kind extends ToldKind>(kind: Kind, row: EventRow<Kind>): string => words[kind](row);

/** Null for rows that say nothing to people. */
export const describeEvent = (row: TimelineRow): string | null => (isTold(row) ? sentence(tell(row.kind, row)) : null);
