/** What a job will take, as far as that is known before it is rendered. */
import { z } from "zod";
import { present } from "../core/present.ts";
import { secondMs } from "../core/units.ts";
import { loadProfiles } from "../core/words.ts";
import type { EstimateView } from "./service-views.ts";

/** How the job will be rendered, as far as that is known when it is submitted. */
export const estimateSchema = z.strictObject({
  load_profile: z.enum(loadProfiles),
  vram_gb: z.number().nonnegative(),
  host_memory_gb: z.number().nonnegative().optional(),
  seconds: z.int().nonnegative().optional(),
  source: z.enum(["history", "published", "estimated", "unknown"]),
  basis: z.string(),
});

/** The same where nothing is left out: null is what is not known, and `basis` says why. */
export const jobEstimateSchema = estimateSchema
  .extend({
    load_profile: z.enum(loadProfiles).nullable(),
    vram_gb: z.number().nonnegative().nullable(),
    seconds: z.int().nonnegative().nullable(),
  })
  .meta({ id: "JobEstimate" });
export type JobEstimate = z.infer<typeof jobEstimateSchema>;

export const inGb = (bytes: number): number => Number((bytes / 1e9).toFixed(1));

/** What is not known is said with its reason, and has no number. */
export function toEstimate(
  { profile, deviceBytes, hostBytes, time }: EstimateView,
  isSimulated: boolean,
): z.infer<typeof estimateSchema> {
  return {
    load_profile: profile,
    vram_gb: inGb(deviceBytes),
    // A simulated card's weights take nothing of the host.
    ...present({ host_memory_gb: isSimulated ? undefined : inGb(hostBytes) }),
    ...(time.kind === "known"
      ? { seconds: Math.round(time.ms / secondMs), source: time.source, basis: time.basis }
      : { source: "unknown", basis: time.why }),
  };
}

/** @param estimate a sentence where nothing can be said: why */
export function toJobEstimate(estimate: EstimateView | string, isSimulated: boolean): JobEstimate {
  if (typeof estimate === "string")
    return { load_profile: null, vram_gb: null, seconds: null, source: "unknown", basis: estimate };
  const known = toEstimate(estimate, isSimulated);
  return { ...known, seconds: known.seconds ?? null };
}
