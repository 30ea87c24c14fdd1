/**
 * The models of one service as a value that is handed on: two services in one process, as in tests, may know different
 * ones.
 */
import { builtInModels } from "./built-in-models.ts";
import { UnderstudyError } from "./errors.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./words.ts";

/** Which models one service knows. It is made once, before anything is started, and never changes. */
export interface ModelCatalog {
  /** The built-in models first. */
  readonly entries: readonly ModelEntry[];
  readonly ids: readonly ModelId[];
  has(id: string): boolean;
  /** Undefined for a name that nobody described. */
  find(id: string): ModelEntry | undefined;
  /** Throws UnderstudyError CONFIGURATION_INVALID for a name that nobody described. */
  entryOf(id: ModelId): ModelEntry;
}

function catalogOf(known: readonly ModelEntry[]): ModelCatalog {
  const byId: ReadonlyMap<ModelId, ModelEntry> = new Map(known.map((entry) => [entry.id, entry]));
  const ids = Object.freeze([...byId.keys()]);
  return Object.freeze({
    entries: Object.freeze([...byId.values()]),
    ids,
    has: (id: string) => byId.has(id),
    find: (id: string) => byId.get(id),
    entryOf: (id: ModelId) => {
      const entry = byId.get(id);
      if (entry !== undefined) return entry;
      throw new UnderstudyError("CONFIGURATION_INVALID", `There is no model ${id}; there are ${ids.join(", ")}.`);
    },
  });
}

/** @param own what a registry file describes; an entry with the name of a built-in model takes that one's place */
export const createModelCatalog = (own: readonly ModelEntry[] = []): ModelCatalog =>
  catalogOf([...Object.values(builtInModels), ...own]);

/** The models that some worker offers: nobody is shown another one, and an order of it is refused. */
export const offeredCatalog = (
  { entries }: ModelCatalog,
  workers: readonly { readonly models: readonly ModelId[] }[],
): ModelCatalog => catalogOf(entries.filter(({ id }) => workers.some(({ models }) => models.includes(id))));
