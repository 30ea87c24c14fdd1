/**
 * Decides before a render in which memory mode and in which form a job goes to its worker. A job is changed only as
 * far as its sender consented.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { JobSpec, RenderPlan } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import { type Fit, type FitQuestion, findFit, profilesFrom } from "../../jobs/fit.ts";
import { envelopeOf } from "../../recovery/envelopes.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LearnedMemory } from "./learned.ts";

export interface PlanNeeds {
  readonly catalog: ModelCatalog;
  readonly config: Pick<Config, "loadProfile" | "alternative" | "workers">;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly envelopes: Pick<LearnedMemory, "fits" | "carries">;
}

export interface Resident {
  readonly model: ModelId;
  readonly profile: LoadProfile;
}

function deviceOf({ links }: Pick<PlanNeeds, "links">, workerId: string) {
  const device = links.clientOf(workerId)?.identity.device;
  return { deviceUuid: device?.uuid ?? workerId, totalBytes: device?.totalBytes ?? Number.POSITIVE_INFINITY };
}

function questionOf(
  { catalog, config, links, envelopes }: PlanNeeds,
  workerId: string,
  spec: JobSpec,
  resident: Resident | null,
): FitQuestion {
  const identity = links.clientOf(workerId)?.identity;
  const { deviceUuid, totalBytes } = deviceOf({ links }, workerId);
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

/** `never`: the registry's figures let no worker of this service carry it, in no form that its sender allows. */
export type Waiting =
  | { readonly kind: "until"; readonly atMs: number; readonly because: string }
  | { readonly kind: "never" };

/** So soon a job is offered again that another worker may take now, or that waits for one to connect. */
const forAnotherMs = 10 * secondMs;
const forUnknownMs = minuteMs;

interface WaitNeeds extends PlanNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly envelopes: Pick<LearnedMemory, "fits" | "carries" | "misfitEndsAtMs">;
}

/** How long a job waits that fits this worker in no allowed form now. It is never failed by what expires. */
export function waitingOf(parts: WaitNeeds, workerId: string, spec: JobSpec): Waiting {
  const { catalog, config, links, envelopes, clock } = parts;
  const nowMs = clock.nowMs();
  const offering = config.workers.filter(({ id, models }) => id !== workerId && models.includes(spec.request.model));
  const connected = offering.filter(({ id }) => links.clientOf(id) !== null);
  const until = (atMs: number, because: string): Waiting => ({ kind: "until", atMs, because });
  if (connected.some(({ id }) => planRender(parts, id, spec, null) !== null))
    return until(nowMs + forAnotherMs, `it does not fit ${workerId} now, and waits for another worker`);
  const carries = (id: string): boolean => {
    const question = questionOf(parts, id, spec, null);
    const { deviceUuid, totalBytes } = deviceOf(parts, id);
    const fits: FitQuestion["fits"] = (request, profile) =>
      envelopes.carries({ deviceUuid, profile }, envelopeOf(catalog, request), totalBytes);
    return findFit({ ...question, fits }) !== null;
  };
  const carrying = [workerId, ...connected.map(({ id }) => id)].filter(carries);
  const ends = carrying
    .map((id) => envelopes.misfitEndsAtMs(deviceOf(parts, id).deviceUuid, envelopeOf(catalog, spec.request)))
    .filter((atMs) => atMs !== null);
  if (carrying.length > 0)
    return until(
      ends.length === 0 ? nowMs + forUnknownMs : Math.min(...ends),
      "its size ran out of memory in every memory mode, and is tried once more then",
    );
  return connected.length < offering.length
    ? until(nowMs + forUnknownMs, `it does not fit ${workerId}, and waits for a worker that is not connected`)
    : { kind: "never" };
}

/** Null when the job is rendered as it was asked. */
export const planOf = ({ request, changes }: Fit): RenderPlan | null =>
  changes.length === 0 ? null : { request, changes };
