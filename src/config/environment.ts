import { type Layer, treeOf } from "./layers.ts";
import { settings } from "./settings.ts";

export type EnvironmentAnswer =
  | { readonly kind: "read"; readonly layers: readonly Layer[] }
  | { readonly kind: "refused"; readonly message: string };

/** Variables that belong to the command line or to a worker, and may be inherited. */
const foreignNames = /^UNDERSTUDY_(?:CONFIG|WORKER_\w+|DEVICE_DIR|SIM_LATE_RELEASE_MS|ORPHAN_MS)$/;

const pathOfName = new Map(settings.map((setting) => [setting.environmentName, setting.path]));

/** A list may be written as JSON. */
function readValue(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return text;
    throw thrown;
  }
}

/** `UNDERSTUDY_STAND_IN_AFTER=1s` (or `UNDERSTUDY_STAND_IN__AFTER`) → `standIn.after`. An unknown name is refused: it is a typing error. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): EnvironmentAnswer {
  const layers: Layer[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith("UNDERSTUDY_") || foreignNames.test(name) || text === undefined || text === "") continue;
    const path = pathOfName.get(name.replaceAll("__", "_"));
    if (path === undefined)
      return {
        kind: "refused",
        message: `Configuration: the environment variable ${name} names no setting; docs/configuration.md lists all.`,
      };
    layers.push({ name, tree: treeOf(path, readValue(text)) });
  }
  return { kind: "read", layers };
}
