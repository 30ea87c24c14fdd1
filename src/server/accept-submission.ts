/** The one way in for a job, whichever address it came to: admission, idempotency, and what becomes of a refusal. */
import { largestSeed, type Order, toConsent, toRenderRequest } from "../contract/order.ts";
import type { AdmissionOutcome, FieldProblem, Submission } from "../contract/submission.ts";
import { drawInteger } from "../core/chance.ts";
import type { Consent, JobView } from "../core/job.ts";
import { present } from "../core/present.ts";
import type { HttpContext } from "./http-types.ts";
import type { Refused } from "./problems.ts";
import { refuseAdmission } from "./refuse-admission.ts";
import type { ServerPorts } from "./server-ports.ts";

/** What fields are called at the way in that was taken. */
type FieldNames = (field: FieldProblem["field"]) => string;

type Taken = Extract<AdmissionOutcome, { readonly job: JobView }>;

export interface Accepted {
  readonly job: JobView;
  readonly estimate: Taken["estimate"];
  /** The key was used before, and the answer is the job of then. */
  readonly isReplayed: boolean;
  readonly headers: Record<string, string>;
}

export interface Refusing {
  readonly refused: Refused;
}

/** Who submits, and under which key. A header that is no key has been refused before. */
export const submitterOf = (context: HttpContext): Pick<Submission, "apiKeyId" | "idempotencyKey"> => ({
  apiKeyId: context.get("apiKeyId"),
  idempotencyKey: context.req.header("idempotency-key") ?? null,
});

export async function admit(
  context: HttpContext,
  { admission }: Pick<ServerPorts, "admission">,
  submission: Submission,
  nameOf: FieldNames = (field) => field,
): Promise<Accepted | Refusing> {
  const outcome = await admission.submit(submission);
  if (!("job" in outcome)) return { refused: refuseAdmission(context, outcome, nameOf) };
  const { job, estimate } = outcome;
  const isReplayed = outcome.kind === "duplicate";
  const headers = present({
    "idempotency-replayed": isReplayed ? "true" : undefined,
    "x-understudy-simulated": job.isSimulated ? "true" : undefined,
  });
  return { job, estimate, isReplayed, headers };
}

export interface GivenOrder extends Pick<Submission, "priority" | "labels" | "deadlineMs" | "webhookUrl"> {
  readonly order: Order;
  /** The consent that holds where the order says nothing of it. */
  readonly consent: Consent;
  /** The text that a repeated key must send again; another one is a conflict. */
  readonly text: string;
  readonly image: Submission["image"] | undefined;
  readonly nameOf?: FieldNames;
}

/** The body was read and judged before; here the order is made durable, and nothing else happens. */
export async function acceptSubmission(
  context: HttpContext,
  ports: Pick<ServerPorts, "admission" | "chance" | "catalog">,
  { order, consent, text, image, nameOf, ...about }: GivenOrder,
): Promise<Accepted | Refusing> {
  const submitter = submitterOf(context);
  const request = toRenderRequest(order, ports.catalog.entryOf(order.model), () =>
    drawInteger(ports.chance, 0, largestSeed),
  );
  const submission: Submission = {
    spec: { request, consent: toConsent(order, consent), workflow: null },
    ...submitter,
    idempotencyBody: submitter.idempotencyKey === null ? null : text,
    ...about,
    ...present({ image }),
  };
  return admit(context, ports, submission, nameOf);
}
