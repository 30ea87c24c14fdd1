/** The parts of a job that more than one of its projections shows: each is spelt here. */
import { z } from "zod";
import type { Change, JobProgress, ServedBy } from "../core/job.ts";
import { ifKnown, present } from "../core/present.ts";
import { secondMs } from "../core/units.ts";
import { loraExperts, type PromiseKind, promiseKinds } from "../core/words.ts";

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

/** What a job that waits can count on as things stand. */
export const promiseSchema = z
  .strictObject({
    kind: z.enum(promiseKinds),
    sentence: z.string(),
    /** The time until the real video may be there; absent where nothing is known. */
    eta_ms: z.number().int().optional(),
  })
  .meta({ id: "JobPromise" });

export interface PromiseAbout {
  /** Null for a job that does not wait. */
  readonly promised: { readonly kind: PromiseKind; readonly sentence: string } | null;
  readonly etaMs: number | null;
}
export const toPromise = ({ promised, etaMs }: PromiseAbout): z.infer<typeof promiseSchema> | undefined =>
  promised === null ? undefined : { ...promised, ...present({ eta_ms: ifKnown(etaMs, Math.ceil) }) };

/** Whole percent of a running render: at most 99, because 100 is a result. */
export const percentOf = ({ ratio }: JobProgress): number => Math.max(0, Math.min(99, Math.floor(ratio * 100)));

/** What is left of a wait is not said to be less than it is. */
export const secondsUp = (ms: number): number => Math.ceil(ms / secondMs);
