/**
 * What a job's webhook is told and how far each delivery is. Facts are kept as they were when the event happened, not
 * when it is told.
 */
import type { Change, JobArtifact, ServedBy } from "./job.ts";
import type { JobState } from "./words.ts";

/** What a job's webhook is told. */
export const webhookTypes = ["job.stand_in_ready", "job.succeeded", "job.failed"] as const;
export type WebhookType = (typeof webhookTypes)[number];

/** Rows of a job that its webhook is told of. */
export const toldKinds = ["job.stoodIn", "job.succeeded", "job.failed", "job.expired", "job.quarantined"] as const;

/** `dead`: every try failed, or its address is refused; it is not tried again. */
export const deliveryStates = ["pending", "delivered", "dead"] as const;
type DeliveryState = (typeof deliveryStates)[number];

/** How the job was when it happened, whenever it is told. */
export interface WebhookFacts {
  readonly state: JobState;
  readonly labels: readonly string[];
  readonly isSimulated: boolean;
  readonly servedBy: ServedBy | null;
  readonly changes: readonly Change[];
  readonly artifact: Pick<JobArtifact, "kind" | "sha256" | "bytes" | "mimeType"> | null;
  /** Why a stand-in is shown. */
  readonly reason: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface WebhookDelivery {
  /** The number of the event's row: later events of a job have higher ones. */
  readonly seq: number;
  readonly jobId: string;
  readonly type: WebhookType;
  readonly url: string;
  /** Of the address; who is busy is told by it. */
  readonly origin: string;
  readonly occurredAtMs: number;
  readonly facts: WebhookFacts;
  readonly state: DeliveryState;
  readonly tryCount: number;
  readonly nextTryAtMs: number;
  /** HTTP status of the last try; null where none was answered. */
  readonly lastStatus: number | null;
  /** Why the last try failed; never holds the address. */
  readonly lastProblem: string | null;
  readonly endedAtMs: number | null;
}

/** Names one delivery for ever: a receiver that has seen it may leave a repetition out. */
export const deliveryIdOf = ({ jobId, seq }: Pick<WebhookDelivery, "jobId" | "seq">): string => `${jobId}.${seq}`;
