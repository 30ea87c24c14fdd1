/** One incident with all that belongs to it, and what its rows say; incident-wire.ts and incident-markdown.ts show it. */
import type { Fault } from "../core/fault.ts";
import type { JobView } from "../core/job.ts";
import type { EventRow, IncidentJob, IncidentRow } from "../core/ports/event-log.ts";

export interface IncidentStory {
  readonly incident: IncidentRow;
  /** Of the incident, of its worker and of its jobs, oldest first. */
  readonly rows: readonly EventRow[];
  /** More rows exist than are shown. */
  readonly isTruncated: boolean;
  /** `job` is null when it was deleted since. */
  readonly jobs: readonly { readonly touch: IncidentJob; readonly job: JobView | null }[];
  readonly jobCount: number;
}

type Fields = Readonly<Record<string, unknown>>;

export const faultOf = (data: Fields): Partial<Fault> => (data["fault"] ?? {}) as Partial<Fault>;

interface Step {
  readonly payload: Fields;
  readonly reports: readonly string[];
}

/** The step of an incident's own actor that a row holds; null for other rows. */
export const stepOf = (row: EventRow): Step | null => (row.data["step"] as Step | undefined) ?? null;

const ofStory = ({ incident, rows }: IncidentStory, kind: string): EventRow[] =>
  rows.filter((row) => row.kind === kind && row.incidentId === incident.id);

export interface Canary {
  readonly row: EventRow;
  readonly hasPassed: boolean;
  /** What the probe measured or why it failed; null when the step that tells it is lost. */
  readonly reason: string | null;
}

/** A canary's row says how it ended; the step that follows says what it measured. */
export function canariesOf(story: IncidentStory): Canary[] {
  const canaries = [...ofStory(story, "canary.passed"), ...ofStory(story, "canary.failed")].toSorted(
    (a, b) => a.seq - b.seq,
  );
  return canaries.map((row) => {
    const step = story.rows.find((later) => later.seq > row.seq && stepOf(later)?.reports.includes(row.kind) === true);
    const output = step === undefined ? undefined : (stepOf(step)?.payload["output"] as Fields | undefined);
    const reason = output?.["reason"];
    return { row, hasPassed: row.kind === "canary.passed", reason: typeof reason === "string" ? reason : null };
  });
}

export const rungsOf = (story: IncidentStory): EventRow[] => ofStory(story, "rung.ended");
export const joinedOf = (story: IncidentStory): EventRow[] => ofStory(story, "incident.joined");
export const actsOf = ({ rows }: IncidentStory): EventRow[] => rows.filter((row) => row.actor.startsWith("operator:"));

/** How it ended, or where it stands; one sentence. */
export function endingOf(story: IncidentStory): string {
  const { status, data } = story.incident;
  if (data["is_set_aside"] === true) {
    const model = String(data["model"]);
    if (status === "resolved") return `${model} was loaded again and passed its proof.`;
    return status === "abandoned"
      ? `It was closed without a proof: no job has wanted ${model} since, and the next one that does tries it again.`
      : `It is open: ${model} is set aside, the worker serves its other models, and the next job that wants it tries it again after a while.`;
  }
  if (status === "resolved") {
    const cure = rungsOf(story).findLast(
      (row) => row.data["outcome"] === "effective" && row.data["action"] !== "fallback_to_mock",
    );
    const words = cure === undefined ? "" : ` ${String(cure.data["action"])} helped: ${String(cure.data["reason"])}.`;
    return `The main model passed its proof and serves again.${words}`;
  }
  if (status === "abandoned") return "It was closed without a proof that the main model serves again.";
  const isStep = (row: EventRow): boolean => row.incidentId === story.incident.id && stepOf(row) !== null;
  const state = String(story.rows.findLast(isStep)?.data["to"] ?? "");
  if (status === "exhausted" || state === "exhausted")
    return "Every repair was tried; only test renders look whether it works again. It needs you.";
  if (state === "standingIn" || state === "probing" || state === "coolingDown")
    return "It is open: stand-ins serve, and test renders look back by themselves.";
  if (state === "stopped") return "It is open: the service stopped in the middle of it, and its next start goes on.";
  return "It is open: it is being repaired.";
}
