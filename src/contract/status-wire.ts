/** The whole service at a glance, for operators and their programs. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { ifKnown, present, withoutNulls } from "../core/present.ts";
import { type JobState, jobStates, loadProfiles, modes, promiseKinds, promiseReasons } from "../core/words.ts";
import type { IntakeFacts } from "./intake-wire.ts";
import { modelName } from "./model-name.ts";
import { incidentSchema, toIncident } from "./recovery-wire.ts";
import type { MemoryModeView, PromiseView, ServiceStatus } from "./service-views.ts";

/** In which memory mode a worker holds its model, and how much longer a step takes than in the one that its card carries. */
const memoryModeSchema = z.strictObject({
  model: modelName,
  load_profile: z.enum(loadProfiles),
  whole_load_profile: z.enum(loadProfiles),
  time_factor: z.number(),
  since: z.iso.datetime().optional(),
  because: z.string().optional(),
});

const toMemoryMode = ({
  model,
  profile,
  whole,
  timeFactor,
  sinceMs,
  why,
}: MemoryModeView): z.infer<typeof memoryModeSchema> => ({
  model,
  load_profile: profile,
  whole_load_profile: whole,
  time_factor: Number(timeFactor.toFixed(2)),
  ...present({ since: ifKnown(sinceMs, isoOf), because: why ?? undefined }),
});

export const statusSchema = z
  .strictObject({
    mode: z.enum(modes),
    /** What a submission made now would get. */
    sentence: z.string(),
    /** The same for programs: of the main model, with the consent that holds where a job says nothing of it. */
    promise: z.strictObject({
      kind: z.enum(promiseKinds),
      because: z.enum(promiseReasons),
      jobs_ahead: z.number().int(),
      /** When a worker may be free for it; absent where nothing is known. */
      turn_at: z.iso.datetime().optional(),
      /** When what is in the way is looked at again by itself. */
      retry_at: z.iso.datetime().optional(),
      /** When those who wait are answered by a stand-in or a clear failure. */
      answer_due_at: z.iso.datetime().optional(),
    }),
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
        memory_mode: memoryModeSchema.optional(),
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

const toPromise = ({ kind, because, aheadCount, ...promise }: PromiseView): StatusWire["promise"] => ({
  kind,
  because,
  jobs_ahead: aheadCount,
  ...present({
    turn_at: ifKnown(promise.turnAtMs, isoOf),
    retry_at: ifKnown(promise.retryAtMs, isoOf),
    answer_due_at: ifKnown(promise.answerDueAtMs, isoOf),
  }),
});

export const toStatus = (status: ServiceStatus, { intake, counts }: StatusAbout): StatusWire => ({
  mode: status.mode,
  sentence: status.sentence,
  promise: toPromise(status.promise),
  ready: status.unreadyReason === null,
  ...present({ unready_reason: status.unreadyReason?.message }),
  simulated: status.isSimulated,
  version: status.version,
  started_at: isoOf(status.startedAtMs),
  paused: intake.isPaused,
  drained: intake.isDrained,
  workers: status.workers.map(({ id, kind, state, tags, pid, memoryMode, startsAtMs }) => ({
    id,
    kind,
    state,
    tags: [...tags],
    ...withoutNulls({ pid, starts_at: startsAtMs === null ? null : isoOf(startsAtMs) }),
    ...present({ memory_mode: ifKnown(memoryMode, toMemoryMode) }),
  })),
  jobs: { ...counts },
  open_incidents: status.openIncidents.map(toIncident),
  issues: [...(status.health?.issues ?? [])],
});
