/** Rows about one incident: each carries its id. The steps of its own actor are rows of `machine.transitioned`. */
import { z } from "zod";
import { blames, climbOutcomes, incidentStatuses, outcomes } from "../words.ts";
import { told } from "./define-event.ts";
import { action, actionEvidence, failureType, fault, names, nothing } from "./fields.ts";

const lookBack = () => z.object({ look_back_at_ms: z.number(), climbs: z.number(), look_backs: z.number() });

/** What the incident's own row keeps, beside its key and its type. */
export const incidentCause = () =>
  z.object({
    fault: fault(),
    model: z.string().nullable(),
    job_id: z.string().nullable(),
    is_set_aside: z.literal(true).exactOptional(),
    needs_person: z.literal(true).exactOptional(),
  });
export type IncidentCause = z.infer<ReturnType<typeof incidentCause>>;

export const incidentEvents = {
  "incident.opened": told(
    "store",
    "A fault opened an incident; nobody works on one that is set aside, or that needs a person.",
    () => incidentCause().extend({ key: z.string(), failure_type: failureType() }),
  ),
  "incident.joined": told("supervisor", "A further fault belongs to an incident that is open.", () =>
    z.object({ fault: fault() }),
  ),
  "incident.closed": told("store", "An incident is over: resolved by a proof, or closed without one.", () =>
    z.object({
      climbs: z.number(),
      status: z.enum(incidentStatuses).exclude(["open"]),
      /** Who was found to blame, where that was asked. */
      blame: z.enum(blames).exactOptional(),
      failure_type: failureType(),
      open_ms: z.number(),
    }),
  ),
  "incident.stoodIn": told("supervisor", "Stand-ins serve, and a test render looks back at the named time.", lookBack),
  "incident.exhausted": told("supervisor", "Every repair was tried; only looks back go on.", lookBack),
  "rung.started": told("supervisor", "A rung of the ladder began.", () =>
    z.object({ action: action(), failure_type: failureType(), climb: z.number() }),
  ),
  "rung.ended": told("supervisor", "A rung of the ladder ended; its outcome is what was proven.", () =>
    z.object({
      action: action(),
      outcome: z.enum(outcomes),
      reason: z.string(),
      failure_type: failureType(),
      climb: z.number(),
      started_at_ms: z.number(),
      ended_at_ms: z.number(),
      evidence: actionEvidence().nullable(),
    }),
  ),
  "rung.revised": told(
    "supervisor",
    "The next attempt of a job showed what a rung had been worth: its outcome is another one now.",
    () =>
      z.object({
        action: action(),
        from: z.enum(outcomes),
        to: z.enum(outcomes),
        reason: z.string(),
        failure_type: failureType(),
        climb: z.number(),
        started_at_ms: z.number(),
      }),
  ),
  "blame.settled": told(
    "supervisor",
    "An experiment, or a ladder that was climbed in vain, showed who is to blame for the failure of jobs.",
    () =>
      z.object({
        blame: z.enum(blames),
        because: z.string(),
        job_count: z.number(),
        job_ids: names(),
        signature: z.string(),
      }),
  ),
  "climb.ended": told("supervisor", "A climb of the ladder ended.", () =>
    z.object({ climb: z.number(), outcome: z.enum(climbOutcomes) }),
  ),
  "canary.passed": told("supervisor", "A test render of an incident passed.", nothing),
  "canary.failed": told("supervisor", "A test render of an incident failed.", nothing),
  "cooldown.started": told("supervisor", "No new climb begins for this worker and type before the named time.", () =>
    z.object({ until_ms: z.number() }),
  ),
};
