import type { Config } from "../config/schema.ts";
import { UnderstudyError } from "../core/errors.ts";
import { isKnownModel, knownModels } from "../core/model-catalog.ts";

/** Every model that the configuration names must be one that there is. Throws UnderstudyError CONFIGURATION_INVALID. */
export function assertModelsKnown({ lead, alternative, workers }: Config): void {
  const named = [lead, ...(alternative === null ? [] : [alternative]), ...workers.flatMap(({ models }) => models)];
  const unknown = named.find((model) => !isKnownModel(model));
  if (unknown === undefined) return;
  throw new UnderstudyError("CONFIGURATION_INVALID", `There is no model ${unknown}; there are ${knownModels().join(", ")}.`);
}
