/** What a route hands over when somebody submits, and what becomes of it. */
import type { JobSpec, JobView } from "../core/job.ts";
import type { EstimateView } from "./service-views.ts";

export interface Submission {
  readonly spec: JobSpec;
  readonly apiKeyId: string;
  readonly idempotencyKey: string | null;
  readonly idempotencyBody: string | null;
  /** The image from which the render begins; it is kept with the job. */
  readonly image?: { readonly bytes: Uint8Array; readonly mimeType: string };
  readonly priority?: number;
  readonly deadlineMs?: number;
  readonly labels?: readonly string[];
  readonly webhookUrl?: string | null;
  readonly retryOf?: string | null;
}

/** Why a field of an order is refused, found out by a look at files or at what is configured. */
export interface FieldProblem {
  readonly code: "REQUEST_INVALID" | "LORA_UNSUPPORTED";
  readonly field: "model" | "lora_path" | "loras";
  /** A sentence that goes on from the field's name, without its full stop. */
  readonly detail: string;
}

export type AdmissionOutcome =
  /** `estimate`: null while no worker has told what its card is, and for a workflow, which nobody can read. */
  | { readonly kind: "accepted" | "duplicate"; readonly job: JobView; readonly estimate: EstimateView | null }
  | { readonly kind: "conflict"; readonly jobId: string }
  | { readonly kind: "queueFull"; readonly limit: number }
  | { readonly kind: "unfit" | "loraUnsupported"; readonly message: string }
  /** `field`: as an order of our own words calls it. */
  | ({ readonly kind: "invalid" } & FieldProblem)
  | { readonly kind: "diskFull"; readonly freeBytes: number };
