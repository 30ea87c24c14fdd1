import { modelRegistrySchema, type RegistryEntry, repositoryPattern } from "../contract/model-registry.ts";
import { ModelError } from "../core/errors.ts";
import { builtInModels } from "./built-in-models.ts";

/** What a pull needs to know of a model. */
export interface ModelSource {
  readonly id: string;
  readonly repository?: string | undefined;
  readonly folder?: string | undefined;
  readonly revision: string;
  readonly files: readonly string[];
}

export interface ModelRegistry {
  readonly entries: readonly RegistryEntry[];
  /** Those of the user's file. */
  readonly own: readonly RegistryEntry[];
  /** An id of the registry, or `org/name` of any repository. Throws ModelError MODEL_NOT_FOUND. */
  sourceOf(name: string, revision?: string): ModelSource;
}

function refuse(path: string, why: string, cause?: unknown): never {
  throw new ModelError("CONFIGURATION_INVALID", `The registry file ${path} ${why}.`, { cause });
}

function parseFile({ path, text }: { readonly path: string; readonly text: string }): readonly RegistryEntry[] {
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
  return Object.entries(parsed.data.models).map(([id, entry]) => ({ ...entry, id }));
}

/** @param file the user's own entries; one with the id of a built-in model replaces it. */
export function loadRegistry(file?: { readonly path: string; readonly text: string }): ModelRegistry {
  const builtIn = parseFile({ path: "of the program", text: JSON.stringify({ models: builtInModels }) });
  const own = file === undefined ? [] : parseFile(file);
  const byId = new Map([...builtIn, ...own].map((entry) => [entry.id, entry]));
  return {
    entries: [...byId.values()],
    own,
    sourceOf: (name, revision) => {
      const known = byId.get(name);
      if (known !== undefined) return { ...known, revision: revision ?? known.revision };
      if (repositoryPattern.test(name))
        return { id: name, repository: name, revision: revision ?? "main", files: ["*"] };
      const ids = [...byId.keys()].join(", ");
      throw new ModelError(
        "MODEL_NOT_FOUND",
        `There is no model ${JSON.stringify(name)}; there are ${ids}, and org/name of any repository.`,
      );
    },
  };
}
