/**
 * Reads settings from environment variables. It refuses unknown names, because a setting that is silently ignored is
 * found out too late.
 */
import { presentVariableOf } from "./former-names.ts";
import { type Layer, treeOf, valueAt } from "./layers.ts";
import { secretNames, settingNames } from "./setting-names.ts";

export type EnvironmentAnswer =
  | { readonly kind: "read"; readonly layers: readonly Layer[] }
  | { readonly kind: "refused"; readonly message: string };

/** Variables that belong to the command line or to a worker, and may be inherited. */
const foreignNames = /^UNDERSTUDY_(?:CONFIG|WORKER_\w+|DEVICE_DIR|SIM_LATE_RELEASE_MS|ORPHAN_MS)$/;

const pathOfName = new Map(settingNames.map((setting) => [setting.environmentName, setting.path]));
/** `UNDERSTUDY_API_KEY_FILE` names a file that holds the secret, as systemd and container platforms hand secrets over. */
const pathOfFileName = new Map(secretNames.map((setting) => [`${setting.environmentName}_FILE`, setting.path]));

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

/**
 * `UNDERSTUDY_STAND_IN_AFTER=1s` (or `UNDERSTUDY_STAND_IN__AFTER`) → `standIn.after`. An unknown name is refused: it is a typing error.
 * @param readSecret the text of a file that a `*_FILE` variable names
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  readSecret: (path: string) => string,
): EnvironmentAnswer {
  const layers: Layer[] = [];
  const refuse = (message: string): EnvironmentAnswer => ({ kind: "refused", message: `Configuration: ${message}` });
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith("UNDERSTUDY_") || foreignNames.test(name) || text === undefined || text === "") continue;
    const fileSetting = pathOfFileName.get(name);
    const path = fileSetting ?? pathOfName.get(name.replaceAll("__", "_"));
    const presentName = presentVariableOf(name);
    if (presentName !== null)
      return refuse(`the environment variable ${name} is called ${presentName} now; set that one instead.`);
    if (path === undefined)
      return refuse(`the environment variable ${name} names no setting; docs/configuration.md lists all.`);
    const twice = layers.find(({ tree }) => valueAt(tree, path) !== undefined);
    if (twice !== undefined) return refuse(`${path} is set by both ${twice.name} and ${name}; leave one of them out.`);
    layers.push({ name, tree: treeOf(path, fileSetting === undefined ? readValue(text) : readSecret(text).trim()) });
  }
  return { kind: "read", layers };
}
