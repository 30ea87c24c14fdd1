/** The whole service at a glance, for operators and their programs. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { present, withoutNulls } from "../core/present.ts";
import { type JobState, jobStates, modes } from "../core/words.ts";
import type { IntakeFacts } from "./intake-wire.ts";
import { incidentSchema, toIncident } from "./recovery-wire.ts";
import type { ServiceStatus } from "./service-views.ts";

export const statusSchema = z
  .strictObject({
    mode: z.enum(modes),
    /** What a submission made now would get. */
    sentence: z.string(),
    /** A submission can be made durable. */
    ready: z.boolean(),
    unready_reason: z.string().optional(),
    simulated: z.boolean(),
    version: z.string(),
    started_at: z.iso.datetime(),
    paused: z.boolean(),
    drained: z.boolean(),
    workers: z.array(
      z.strictObject({
        id: z.string(),
        kind: z.string(),
        state: z.string(),
        tags: z.array(z.string()),
        pid: z.number().int().optional(),
        /** When its process is started again by itself, while it waits for that. */
        starts_at: z.iso.datetime().optional(),
      }),
    ),
    jobs: z.record(z.enum(jobStates), z.number().int()),
    open_incidents: z.array(incidentSchema),
    issues: z.array(z.string()),
  })
  .meta({ id: "Status" });
export type StatusWire = z.infer<typeof statusSchema>;

export interface StatusAbout {
  readonly intake: IntakeFacts;
  readonly counts: Readonly<Record<JobState, number>>;
}

export const toStatus = (status: ServiceStatus, { intake, counts }: StatusAbout): StatusWire => ({
  mode: status.mode,
  sentence: status.sentence,
  ready: status.unreadyReason === null,
  ...present({ unready_reason: status.unreadyReason?.message }),
  simulated: status.isSimulated,
  version: status.version,
  started_at: isoOf(status.startedAtMs),
  paused: intake.isPaused,
  drained: intake.isDrained,
  workers: status.workers.map(({ id, kind, state, tags, pid, startsAtMs }) => ({
    id,
    kind,
    state,
    tags: [...tags],
    ...withoutNulls({ pid, starts_at: startsAtMs === null ? null : isoOf(startsAtMs) }),
  })),
  jobs: { ...counts },
  open_incidents: status.openIncidents.map(toIncident),
  issues: [...(status.health?.issues ?? [])],
});
