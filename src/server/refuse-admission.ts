/** Turns an admission that takes nothing into its answer over HTTP. */

import type { AdmissionOutcome, FieldProblem } from "../contract/submission.ts";
import type { JobView } from "../core/job.ts";
import { formatBytes } from "../core/units.ts";
import type { HttpContext } from "./http-types.ts";
import { type Refused, refuse } from "./problems.ts";

export type NotAdmitted = Exclude<AdmissionOutcome, { readonly job: JobView }>;

/** @param nameOf what a field is called at the way in that was taken */
export function refuseAdmission(
  context: HttpContext,
  outcome: NotAdmitted,
  nameOf: (field: FieldProblem["field"]) => string,
): Refused {
  switch (outcome.kind) {
    case "conflict":
      return refuse(context, {
        code: "IDEMPOTENCY_KEY_REUSED",
        detail: `This idempotency key belongs to job ${outcome.jobId}, which asked for something else.`,
      });
    case "queueFull":
      return refuse(context, {
        code: "QUEUE_FULL",
        detail: `The queue holds ${outcome.limit} jobs, which is its limit.`,
        retryAfterMs: 30_000,
      });
    case "unfit":
      return refuse(context, { code: "ENVELOPE_TOO_LARGE", detail: outcome.message });
    case "loraUnsupported":
      return refuse(context, { code: "LORA_UNSUPPORTED", detail: outcome.message });
    case "invalid": {
      const param = nameOf(outcome.field);
      return refuse(context, { code: outcome.code, param, detail: `${param} ${outcome.detail}.` });
    }
    case "diskFull":
      return refuse(context, {
        code: "DISK_FULL",
        detail: `Only ${formatBytes(outcome.freeBytes)} of disk is free; nothing is accepted until there is more.`,
        retryAfterMs: 60_000,
      });
  }
}
