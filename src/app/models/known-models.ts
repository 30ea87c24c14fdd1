import type { Config } from "../../config/schema.ts";
import { UnderstudyError } from "../../core/errors.ts";
import { isKnownModel, knowModels, knownModels } from "../../core/model-catalog.ts";
import { toModelEntry } from "../../models/registry-forms.ts";
import { readRegistry } from "./open-models.ts";

/** What the registry file describes joins the catalogue; then every model that the configuration names must be one that there is. Throws UnderstudyError CONFIGURATION_INVALID. */
export function knowConfiguredModels(config: Config): void {
  const { lead, alternative, workers, models } = config;
  if (models.registryPath !== null) knowModels(readRegistry(config).own.map(toModelEntry));
  const named = [lead, ...(alternative === null ? [] : [alternative]), ...workers.flatMap((worker) => worker.models)];
  const unknown = named.find((model) => !isKnownModel(model));
  if (unknown === undefined) return;
  throw new UnderstudyError(
    "CONFIGURATION_INVALID",
    `There is no model ${unknown}; there are ${knownModels().join(", ")}.`,
  );
}
