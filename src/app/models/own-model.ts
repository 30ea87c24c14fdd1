/** Which model a worker returns to. The supervisor, recovery and the loader ask here, so that they agree. */
import type { Config } from "../../config/schema.ts";
import type { ModelId } from "../../core/words.ts";

/** The model that a worker holds when no job wants another: the lead model, or the first of those that it offers. */
export function ownModelOf({ workers, lead }: Pick<Config, "workers" | "lead">, workerId: string): ModelId {
  const models = workers.find(({ id }) => id === workerId)?.models ?? [];
  return models.includes(lead) ? lead : (models[0] ?? lead);
}
