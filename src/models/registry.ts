/**
 * Reads registry files, by which operators add models without a change of code, and finds where a model's files come
 * from.
 */
import { modelRegistrySchema, repositoryPattern } from "../contract/model-registry.ts";
import { ModelError } from "../core/errors.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry, ModelSource } from "../core/model-entry.ts";
import { toModelEntry } from "./registry-forms.ts";

export interface NamedSource extends ModelSource {
  readonly id: string;
}

function refuse(path: string, why: string, cause?: unknown): never {
  throw new ModelError("CONFIGURATION_INVALID", `The registry file ${path} ${why}.`, { cause });
}

/** Reads the models that a registry file describes. Throws ModelError CONFIGURATION_INVALID. */
export function parseRegistry({ path, text }: { readonly path: string; readonly text: string }): readonly ModelEntry[] {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return refuse(path, `is not valid JSON (${thrown.message})`, thrown);
    throw thrown;
  }
  const parsed = modelRegistrySchema.safeParse(tree);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const message = issue?.code === "invalid_key" ? issue.issues[0]?.message : issue?.message;
    return refuse(path, `is not acceptable: ${issue?.path.join(".") ?? ""} ${message ?? ""}`, parsed.error);
  }
  return Object.entries(parsed.data.models).map(([id, entry]) => toModelEntry(id, entry));
}

/**
 * Finds the source of a model of the catalogue, or of `org/name`, any repository. Throws ModelError MODEL_NOT_FOUND.
 */
export function sourceOf(catalog: ModelCatalog, name: string, revision?: string): NamedSource {
  const known = catalog.find(name);
  if (known !== undefined) return { ...known.source, id: name, revision: revision ?? known.source.revision };
  if (repositoryPattern.test(name))
    return { id: name, repository: name, folder: null, revision: revision ?? "main", files: ["*"] };
  throw new ModelError(
    "MODEL_NOT_FOUND",
    `There is no model ${JSON.stringify(name)}; there are ${catalog.ids.join(", ")}, and org/name of any repository.`,
  );
}
