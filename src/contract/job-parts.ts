/** The parts of a job that more than one of its projections shows: each is spelt here. */
import { z } from "zod";
import type { Change, JobProgress, ServedBy } from "../core/job.ts";
import { secondMs } from "../core/units.ts";
import { loraExperts } from "../core/words.ts";

export const servedBySchema = z.strictObject({
  worker: z.string(),
  model: z.string(),
  kind: z.enum(["real", "stand_in"]),
  simulated: z.boolean(),
});
export const toServedBy = ({ worker, model, kind, isSimulated }: ServedBy): z.infer<typeof servedBySchema> => ({
  worker,
  model,
  kind,
  simulated: isSimulated,
});

export const changesSchema = z.array(
  z
    .strictObject({
      field: z.string(),
      from: z.union([z.string(), z.number()]),
      to: z.union([z.string(), z.number()]),
      why: z.string(),
    })
    .meta({ id: "Change" }),
);
export const toChanges = (changes: readonly Change[]): z.infer<typeof changesSchema> =>
  changes.map(({ field, from, to, why }) => ({ field, from, to, why }));

export const loraShape = { name: z.string(), strength: z.number(), expert: z.enum(loraExperts) };

export const errorSchema = z.strictObject({ code: z.string(), message: z.string() });

/** Whole percent of a running render: at most 99, because 100 is a result. */
export const percentOf = ({ ratio }: JobProgress): number => Math.max(0, Math.min(99, Math.floor(ratio * 100)));

/** What is left of a wait is not said to be less than it is. */
export const secondsUp = (ms: number): number => Math.ceil(ms / secondMs);
