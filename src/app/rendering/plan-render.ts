/**
 * Decides before a render in which memory mode and in which form a job goes to its worker. A job is changed only as
 * far as its sender consented.
 */
import type { Config } from "../../config/schema.ts";
import type { JobSpec, RenderPlan } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import { type Fit, type FitQuestion, findFit, profilesFrom } from "../../jobs/fit.ts";
import { envelopeOf } from "../../recovery/envelopes.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LearnedMemory } from "./learned.ts";

export interface PlanNeeds {
  readonly catalog: ModelCatalog;
  readonly config: Pick<Config, "loadProfile" | "alternative">;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly envelopes: Pick<LearnedMemory, "fits">;
}

export interface Resident {
  readonly model: ModelId;
  readonly profile: LoadProfile;
}

function questionOf(
  { catalog, config, links, envelopes }: PlanNeeds,
  workerId: string,
  spec: JobSpec,
  resident: Resident | null,
): FitQuestion {
  const identity = links.clientOf(workerId)?.identity;
  const deviceUuid = identity?.device.uuid ?? workerId;
  const totalBytes = identity?.device.totalBytes ?? Number.POSITIVE_INFINITY;
  const offered = profilesFrom(config.loadProfile).filter((profile) => identity?.profiles.includes(profile) ?? true);
  return {
    request: spec.request,
    consent: spec.consent,
    alternative: config.alternative === null ? null : catalog.entryOf(config.alternative),
    profiles: offered,
    resident,
    fits: (request, profile) => envelopes.fits({ deviceUuid, profile }, envelopeOf(catalog, request), totalBytes),
  };
}

/**
 * In which memory mode, and in which form, a job is rendered on this worker: as it was asked where that fits, else as its
 * consent allows; null when nothing that is allowed fits now.
 */
export const planRender = (parts: PlanNeeds, workerId: string, spec: JobSpec, resident: Resident | null): Fit | null =>
  findFit(questionOf(parts, workerId, spec, resident));

/** The same without a reload: what the job allows to change so that it fits beside the model as it is loaded. */
export const planReduction = (parts: PlanNeeds, workerId: string, spec: JobSpec, resident: Resident): Fit | null =>
  findFit({ ...questionOf(parts, workerId, spec, resident), profiles: [resident.profile] });

/** Null when the job is rendered as it was asked. */
export const planOf = ({ request, changes }: Fit): RenderPlan | null =>
  changes.length === 0 ? null : { request, changes };
