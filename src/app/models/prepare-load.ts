/**
 * Chooses the memory mode before a load, by what is known of card and host. A mode found by failing would cost minutes
 * for each that fails, and may take the neighbours' memory meanwhile.
 */
import { UnderstudyError } from "../../core/errors.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { canaryRequest } from "../../core/model-figures.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import { profilesFrom } from "../../jobs/fit.ts";
import { refusalSentence } from "../../recovery/fit-sentences.ts";
import { type HostMemory, machineOf } from "../health/host-memory.ts";
import type { LearnedMemory } from "../rendering/learned.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import type { LoadedProfiles } from "./loaded-profiles.ts";
import { type Files, placeFiles } from "./model-files.ts";

export interface LoadNeeds {
  readonly catalog: ModelCatalog;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly profiles: LoadedProfiles;
  readonly envelopes: Pick<LearnedMemory, "placeModel" | "findInstead" | "fits">;
  readonly hostMemory: Pick<HostMemory, "measure">;
  readonly models: Files;
}

/**
 * The memory mode by the table of what this machine carries, from the one that is asked for on: never by failing. What ran out
 * of memory a moment ago is passed over while another mode is left. Throws UnderstudyError MODEL_DOES_NOT_FIT.
 */
async function chooseProfile(parts: LoadNeeds, workerId: string, id: ModelId): Promise<LoadProfile> {
  const { catalog, links, profiles, envelopes, hostMemory } = parts;
  const asked = profiles.of(workerId);
  const identity = links.clientOf(workerId)?.identity;
  if (identity === undefined) return asked;
  const model = catalog.entryOf(id);
  const machine = machineOf(identity, identity.isSimulated ? null : await hostMemory.measure());
  const offered = profilesFrom(asked).filter((profile) => identity.profiles.includes(profile));
  const placement = envelopes.placeModel(machine, model, offered);
  if (placement.verdict === "tooLarge")
    throw new UnderstudyError(
      "MODEL_DOES_NOT_FIT",
      refusalSentence(
        machine,
        placement,
        envelopes.findInstead(machine, model, identity.models.map(catalog.entryOf), offered),
      ),
    );
  const { uuid, totalBytes } = identity.device;
  const isWorthTrying = (profile: LoadProfile): boolean =>
    envelopes.fits({ deviceUuid: uuid, profile }, { model, ...canaryRequest(model) }, totalBytes);
  const carrying = offered.slice(placement.profile === null ? 0 : offered.indexOf(placement.profile));
  return carrying.find(isWorthTrying) ?? carrying.at(-1) ?? asked;
}

/**
 * What stands before every load, whoever orders it: the mode is chosen and remembered, and the worker finds the files where
 * they are now. Throws UnderstudyError MODEL_DOES_NOT_FIT or MODEL_NOT_AVAILABLE.
 */
export async function prepareLoad(parts: LoadNeeds, workerId: string, model: ModelId): Promise<LoadProfile> {
  const profile = await chooseProfile(parts, workerId, model);
  parts.profiles.set(workerId, profile, "what the machine carries");
  await placeFiles(parts.models, model);
  return profile;
}
