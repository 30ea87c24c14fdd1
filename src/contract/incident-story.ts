/** One incident with all that belongs to it, and what its rows say; incident-wire.ts and incident-markdown.ts show it. */

import type { StoredStep } from "../core/events/service-events.ts";
import { type EventKind, type EventRow, isRowOf, type TimelineRow } from "../core/events.ts";
import type { JobView } from "../core/job.ts";
import type { IncidentJob, IncidentRow } from "../core/ports/event-log.ts";
import { withRevisions } from "../core/rung-revisions.ts";

export interface IncidentStory {
  readonly incident: IncidentRow;
  /** Of the incident, of its worker and of its jobs, oldest first. */
  readonly rows: readonly TimelineRow[];
  /** More rows exist than are shown. */
  readonly isTruncated: boolean;
  /** `job` is null when it was deleted since. */
  readonly jobs: readonly { readonly touch: IncidentJob; readonly job: JobView | null }[];
  readonly jobCount: number;
}

/** The step of an incident's own actor that a row holds; null for other rows. */
export const stepOf = (row: TimelineRow): StoredStep | null =>
  row.kind === "machine.transitioned" ? (row.data.step ?? null) : null;

const ofStory = <Kind extends EventKind>({ incident, rows }: IncidentStory, ...kinds: Kind[]): EventRow<Kind>[] =>
  rows.filter((row) => isRowOf(row, ...kinds)).filter((row) => row.incidentId === incident.id);

/** Why the probe of a step ended as it did; the machine's own event, of which rows keep what it was. */
function reasonIn({ payload }: StoredStep): string | null {
  const { output } = payload;
  const reason = typeof output === "object" && output !== null && "reason" in output ? output.reason : null;
  return typeof reason === "string" ? reason : null;
}

export interface Canary {
  readonly row: EventRow<"canary.passed" | "canary.failed">;
  readonly hasPassed: boolean;
  /** What the probe measured or why it failed; null when the step that tells it is lost. */
  readonly reason: string | null;
}

/** A canary's row says how it ended; the step that follows says what it measured. */
export function canariesOf(story: IncidentStory): Canary[] {
  return ofStory(story, "canary.passed", "canary.failed").map((row) => {
    const steps = story.rows.filter(({ seq }) => seq > row.seq).flatMap((later) => stepOf(later) ?? []);
    const step = steps.find(({ reports }) => reports.includes(row.kind));
    return { row, hasPassed: row.kind === "canary.passed", reason: step === undefined ? null : reasonIn(step) };
  });
}

/** With the outcomes that the jobs' next attempts gave them. */
export const rungsOf = (story: IncidentStory): EventRow<"rung.ended">[] =>
  withRevisions(ofStory(story, "rung.ended"), ofStory(story, "rung.revised"));
export const joinedOf = (story: IncidentStory): EventRow<"incident.joined">[] => ofStory(story, "incident.joined");
export const actsOf = ({ rows }: IncidentStory): TimelineRow[] =>
  rows.filter((row) => row.actor.startsWith("operator:"));

/** How it ended, or where it stands; one sentence. */
export function endingOf(story: IncidentStory): string {
  const { status, data } = story.incident;
  if (data.is_set_aside === true) {
    const model = String(data.model);
    if (status === "resolved") return `${model} was loaded again and passed its proof.`;
    return status === "abandoned"
      ? `It was closed without a proof: no job has wanted ${model} since, and the next one that does tries it again.`
      : `It is open: ${model} is set aside, the worker serves its other models, and the next job that wants it tries it again after a while.`;
  }
  const blame = ofStory(story, "blame.settled").at(-1)?.data;
  if (status === "resolved" && blame !== undefined && blame.blame !== "route")
    return `The worker serves on: ${blame.blame === "size" ? "the job is too large for the memory as it is used now" : "the job itself is suspected"}. ${blame.because}`;
  if (status === "resolved") {
    const cure = rungsOf(story).findLast(
      ({ data: rung }) => rung.outcome === "effective" && rung.action !== "fallback_to_mock",
    );
    const words = cure === undefined ? "" : ` ${cure.data.action} helped: ${cure.data.reason}.`;
    return `The main model passed its proof and serves again.${words}`;
  }
  if (status === "abandoned") return "It was closed without a proof that the main model serves again.";
  const state = ofStory(story, "machine.transitioned").findLast((row) => stepOf(row) !== null)?.data.to;
  if (status === "exhausted" || state === "exhausted")
    return "Every repair was tried; only test renders look whether it works again. It needs you.";
  if (state === "standingIn" || state === "probing")
    return "It is open: stand-ins serve, and test renders look back by themselves.";
  if (state === "stopped") return "It is open: the service stopped in the middle of it, and its next start goes on.";
  return state === "experimenting"
    ? "It is open: a test render shows whether the job is to blame, or its worker."
    : "It is open: it is being repaired.";
}
