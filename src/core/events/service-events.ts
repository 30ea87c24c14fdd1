/** Rows about the service as a whole, and about what operators did to it. */
import { z } from "zod";
import { failureTypes, healthStatuses, keyRoles, modes } from "../words.ts";
import { kept, told } from "./define-event.ts";
import { names, nothing } from "./fields.ts";

const child = () => z.object({ child: z.string(), message: z.string() });
/** Rows of former versions have no stages of owners. */
const stageTime = () => z.number().nullable().exactOptional();
const space = () => z.object({ free_bytes: z.number() });

const issue = () =>
  z.object({
    reading: z.string(),
    severity: z.enum(["warning", "critical"]),
    message: z.string(),
    recommendation: z.string(),
  });

/** One event that an incident's actor took, so that the incident can be replayed. */
const step = () =>
  z.object({
    /** From 1; a gap means that rows were lost. */
    number: z.number(),
    at_ms: z.number(),
    /** The event without its type; of the first one, the actor's input. */
    payload: z.record(z.string(), z.unknown()),
    reports: names(),
  });
export type StoredStep = z.infer<ReturnType<typeof step>>;

export const serviceEvents = {
  "service.started": told("store", "A supervisor began on this state directory, with this epoch.", () =>
    z.object({ epoch: z.number() }),
  ),
  "service.stopped": told("service", "The service ended in order; one that was killed has no such row.", () =>
    z.object({ workers_go_on: z.boolean() }),
  ),
  "mode.changed": told("supervisor", "The service's mode changed.", () =>
    z.object({ from: z.enum(modes), to: z.enum(modes) }),
  ),
  "health.changed": told(
    "supervisor",
    "The health of host and cards changed, or a further threshold was crossed or left.",
    () =>
      z.object({
        status: z.enum(healthStatuses),
        issues: z.array(issue()).readonly(),
        // Rows of an older program did not say how many were measured.
        cards: z.number().exactOptional(),
      }),
  ),
  "child.crashed": kept("supervisor", "A machine of the service failed and is started again.", child),
  "child.abandoned": kept("supervisor", "A machine failed too often and is not started again.", child),
  "machine.transitioned": kept(
    "machines",
    "A machine took a transition; of incidents' actors, with all that they heard.",
    () =>
      z.object({
        actor: z.string(),
        from: z.string().nullable(),
        to: z.string(),
        event: z.string(),
        tags: names(),
        step: step().exactOptional(),
      }),
  ),
  "intake.paused": told("supervisor", "An operator paused the workers.", () => z.object({ release_gpu: z.boolean() })),
  "intake.drained": told("supervisor", "An operator ended the intake; what was accepted is rendered.", nothing),
  "intake.resumed": told("supervisor", "An operator ended a pause or a drain.", nothing),
  "recovery.triggered": told("operator", "An operator asked for a repair.", () =>
    z.object({ failure_type: z.enum(failureTypes), forced: z.boolean() }),
  ),
  "recovery.reset": told("operator", "An operator forgave every climb and cooldown.", nothing),
  "monitoring.started": told("operator", "Host and cards are measured again.", nothing),
  "monitoring.stopped": told("operator", "Host and cards are not measured any more.", nothing),
  "drill.began": told("operator", "A drill began.", () => z.object({ drill: z.string() })),
  "drill.ended": told("service", "A drill ended; a time is null where its stage was not reached.", () =>
    z.object({
      drill: z.string(),
      passed: z.boolean(),
      told_ms: stageTime(),
      watchable_ms: stageTime(),
      delivered_ms: stageTime(),
      recovered_ms: stageTime(),
      bystander_ms: stageTime(),
      lost_jobs: z.number(),
      false_claims: names(),
    }),
  ),
  "configuration.reloaded": told("service", "The configuration was read again; names of settings.", () =>
    z.object({ applied: names(), waiting: names() }),
  ),
  "disk.short": told("service", "The disk has less room than a clip needs.", space),
  "disk.recovered": told("service", "The disk has room again.", space),
  "disk.ballastReleased": told("store", "A write found the disk full; the space held back for it is in use.", nothing),
  "retention.applied": kept("store", "Old jobs and files were deleted.", () =>
    z.object({ jobs: z.number(), files: z.number() }),
  ),
  "events.dropped": kept("store", "So many noted rows were lost, because the store could not write for long.", () =>
    z.object({ count: z.number() }),
  ),
  "api.called": kept("operator", "An operator's call that may have changed something was answered.", () =>
    z.object({ method: z.string(), route: z.string(), status: z.number(), requestId: z.string() }),
  ),
  "key.created": kept("operator", "A key was made.", () => z.object({ key: z.string(), role: z.enum(keyRoles) })),
  "key.revoked": kept("operator", "A key was revoked.", () => z.object({ key: z.string() })),
};
