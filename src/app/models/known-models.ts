/**
 * Builds the catalogue of this configuration and refuses names that it does not describe: a typing error shows at the
 * start, not at the first job.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../../config/schema.ts";
import { ModelError, UnderstudyError } from "../../core/errors.ts";
import { createModelCatalog, type ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import { parseRegistry } from "../../models/registry.ts";

function readRegistry(path: string): readonly ModelEntry[] {
  try {
    return parseRegistry({ path, text: readFileSync(path, "utf8") });
  } catch (thrown) {
    if (thrown instanceof ModelError) throw thrown;
    throw new ModelError("CONFIGURATION_INVALID", `The registry file ${path} cannot be read.`, { cause: thrown });
  }
}

/**
 * The built-in models and what the registry file describes; every model that the configuration names is one of them.
 * Throws UnderstudyError CONFIGURATION_INVALID.
 */
export function readModelCatalog(config: Config): ModelCatalog {
  const { lead, alternative, workers, models } = config;
  const catalog = createModelCatalog(models.registryPath === null ? [] : readRegistry(models.registryPath));
  const named = [lead, ...(alternative === null ? [] : [alternative]), ...workers.flatMap((worker) => worker.models)];
  const unknown = named.find((model) => !catalog.has(model));
  if (unknown === undefined) return catalog;
  throw new UnderstudyError(
    "CONFIGURATION_INVALID",
    `There is no model ${unknown}; there are ${catalog.ids.join(", ")}.`,
  );
}
