/** What a job became, as every projection of it says it: a stand-in is never called the real result. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import type { JobArtifact, JobView } from "../core/job.ts";
import { ifAny, ifKnown, present } from "../core/present.ts";
import { isWaitReason, ownWaitOf } from "../core/wait-reason.ts";
import type { JobState } from "../core/words.ts";
import { changesSchema, servedBySchema, toChanges, toServedBy } from "./job-parts.ts";

const realResults = ["pending", "delivered", "failed", "cancelled", "expired"] as const;
type RealResult = (typeof realResults)[number];

/** Present on everything that shows what a job became. */
export const truthShape = {
  is_mock: z.boolean(),
  simulated: z.boolean(),
  served_by: servedBySchema.optional(),
  /** What became of the real video while or after a stand-in was shown. */
  real_result: z.enum(realResults).optional(),
  stand_in_reason: z.string().optional(),
  changes: changesSchema.optional(),
};
export type Truth = z.infer<z.ZodObject<typeof truthShape>>;

export const artifactOf = (job: JobView, kind: JobArtifact["kind"]): JobArtifact | undefined =>
  job.artifacts.find((artifact) => artifact.kind === kind);

/** What there is to see now: the result, else the stand-in. */
export const shownArtifact = (job: JobView): JobArtifact | undefined =>
  artifactOf(job, "result") ?? artifactOf(job, "stand_in");

/** The stand-in, while there is no result. */
export const shownStandIn = (job: JobView): JobArtifact | undefined =>
  artifactOf(job, "result") === undefined ? artifactOf(job, "stand_in") : undefined;

export const isOpen = ({ state }: JobView): boolean => state === "queued" || state === "running";
export const hasFailed = ({ state }: JobView): boolean => state === "failed" || state === "quarantined";
/** The job's end was asked for, and has not come. */
export const isBeingCancelled = (job: JobView): boolean => job.state === "running" && job.isCancelRequested;

const times = (count: number): string => (count === 1 ? "once" : `${count} times`);

function realResultOf(job: JobView): RealResult | undefined {
  if (artifactOf(job, "stand_in") === undefined) return undefined;
  if (isOpen(job)) return "pending";
  if (job.state === "cancelled") return "cancelled";
  if (job.state === "succeeded") return artifactOf(job, "result") === undefined ? undefined : "delivered";
  return job.errorCode === "JOB_DEADLINE_EXCEEDED" ? "expired" : "failed";
}

export function toTruth(job: JobView): Truth {
  const standIn = shownStandIn(job);
  return {
    is_mock: standIn !== undefined,
    simulated: job.isSimulated,
    ...present({
      served_by: ifKnown(standIn?.servedBy ?? job.result?.servedBy, toServedBy),
      real_result: realResultOf(job),
      stand_in_reason: standIn?.reason ?? undefined,
      changes: ifAny(toChanges(job.result?.changes ?? [])),
    }),
  };
}

/** Why it is not tried yet, as its last attempt was told; null for any other wait. */
function waitReasonOfJob({ attemptList }: JobView): string | null {
  const said = attemptList.at(-1)?.message ?? "";
  return isWaitReason(said) ? said : null;
}

/** Why a job that was under way waits again, and until when at least; null where it never was. */
function reasonToWait({ attemptList, suspicion, runAtMs }: JobView): string | null {
  const wait = ownWaitOf(attemptList.at(-1), runAtMs);
  const until = wait === null ? "" : `, not before ${isoOf(wait.untilMs)}`;
  if (suspicion !== null)
    return `it failed by itself, and is tried again on another worker or in a fresh process when no other job waits${until}`;
  const losses = attemptList.filter(({ outcome }) => outcome === "hostLoss");
  const outside = losses.filter(({ evidence }) => evidence?.["ended_by"] === "outside");
  const again = until === "" ? "" : `; it is tried again${until}`;
  if (outside.length > 0)
    return `its worker was ended from outside ${times(outside.length)}, which is not its fault${again}`;
  return losses.length === 0 ? null : `it was interrupted ${times(losses.length)} through no fault of its own${again}`;
}

/** One sentence on where the job is. */
export function messageOfJob(job: JobView): string {
  if (shownStandIn(job) !== undefined) {
    const isTold = waitReasonOfJob(job) !== null;
    const reason = job.state === "queued" && !isTold ? reasonToWait(job) : null;
    const rest: Readonly<Record<RealResult, string>> = {
      pending: `the real video is still owed${reason === null ? "" : `: ${reason}`}`,
      delivered: "",
      failed: "the real video failed",
      cancelled: "the real video was cancelled",
      expired: "the real video's deadline passed",
    };
    const realResult = realResultOf(job);
    if (realResult === undefined) return "A stand-in was delivered, as the request asked.";
    const until = job.state === "queued" ? waitReasonOfJob(job) : null;
    return `A stand-in is shown; ${rest[realResult]}.${until === null ? "" : ` ${until}`}`;
  }
  const waiting = reasonToWait(job);
  const sentences: Readonly<Record<JobState, string>> = {
    queued: waitReasonOfJob(job) ?? (waiting === null ? "The job waits for a worker." : `The job waits: ${waiting}.`),
    running: job.isCancelRequested ? "The job is being cancelled." : "The video is being rendered.",
    succeeded: "The video is ready.",
    failed: job.errorMessage ?? "The job failed.",
    cancelled: "The job was cancelled.",
    quarantined: "The job was set aside, because its render ended the worker more than once.",
  };
  return sentences[job.state];
}
