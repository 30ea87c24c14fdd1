/** Layers of text → one `Config`, or one sentence that names the setting and where it came from. Reads no file. */
import type { z } from "zod";
import type { ErrorCode } from "../core/error-codes.ts";
import { readEnvironment } from "./environment.ts";
import { presentNameOf } from "./former-names.ts";
import { forbiddenKey, type Layer, listPaths, mergeLayers, type Tree, treeOf, valueAt } from "./layers.ts";
import { readFileText } from "./read-file.ts";
import { type Config, configSchema } from "./schema.ts";
import { secretNames } from "./setting-names.ts";

export interface ConfigTexts {
  /** Dotted setting → text, for instance `{ port: "9100", "sim.gpu": "h100" }`, from the command line. */
  readonly flags?: Readonly<Record<string, string>>;
  /** The process's environment; only `UNDERSTUDY_*`, `XDG_STATE_HOME` and `HOME` are read. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** YAML or JSON. */
  readonly file?: { readonly path: string; readonly text: string };
  /** The text of a file that a variable such as UNDERSTUDY_API_KEY_FILE names. */
  readonly readSecret?: (path: string) => string;
}

export interface AcceptedConfig {
  readonly kind: "accepted";
  readonly config: Config;
  /** Dotted setting → who set it. */
  readonly sources: ReadonlyMap<string, string>;
  /** What was written, of all layers; settings that nobody gave are not in it. */
  readonly tree: Tree;
}

export type ConfigAnswer = AcceptedConfig | ConfigRefusal;

export interface ConfigRefusal {
  readonly kind: "refused";
  readonly code: Extract<ErrorCode, "CONFIGURATION_INVALID">;
  /** One sentence for people; never holds a secret. */
  readonly message: string;
  /** One sentence for each thing that is wrong, the first included. */
  readonly problems: readonly string[];
}

export const defaultsName = "the defaults";

const refuse = (problems: readonly string[]): ConfigRefusal => ({
  kind: "refused",
  code: "CONFIGURATION_INVALID",
  message: problems[0] ?? "Configuration: it is not acceptable.",
  problems,
});

const misplaced = (path: string, environmentName: string, where: string): ConfigRefusal =>
  refuse([
    `Configuration: ${path} must not stand ${where}; set the environment variable ${environmentName}, or ${environmentName}_FILE.`,
  ]);

function readFile({ path, text }: NonNullable<ConfigTexts["file"]>): Layer | ConfigRefusal {
  const name = `the file ${path}`;
  const answer = readFileText(text);
  if (answer.kind === "refused") return refuse([`Configuration: ${name} ${answer.reason}.`]);
  const secret = secretNames.find((setting) => valueAt(answer.tree, setting.path) !== undefined);
  if (secret !== undefined) return misplaced(secret.path, secret.environmentName, `in ${name}`);
  return { name, tree: answer.tree, lineOf: answer.lineOf };
}

function defaultStateDir({
  XDG_STATE_HOME: stateHome,
  HOME: home,
}: Readonly<Record<string, string | undefined>>): Tree {
  // The XDG specification calls a relative path invalid, to be ignored.
  if (stateHome?.startsWith("/")) return { stateDir: `${stateHome}/understudy` };
  return home === undefined || home === "" ? {} : { stateDir: `${home}/.local/state/understudy` };
}

/** Flags with a name of their own. */
const namedFlags: Readonly<Record<string, string>> = {
  allowedOrigins: "--allow-origin",
  "renderer.kind": "--worker",
  "renderer.python": "--python",
  "renderer.device": "--device",
};

/** `stateDir` → `--state-dir`, `sim.gpu` → `--sim-gpu`. */
const flagOf = (path: string): string =>
  namedFlags[path] ?? `--${path.replaceAll(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const noSecretFiles = (): never => {
  throw new Error("nobody was given to read files of secrets");
};

/** Lowest precedence first. */
function readLayers({
  flags = {},
  environment = {},
  file,
  readSecret = noSecretFiles,
}: ConfigTexts): readonly Layer[] | ConfigRefusal {
  const secret = secretNames.find(({ path }) => path in flags);
  if (secret !== undefined) return misplaced(secret.path, secret.environmentName, "on the command line");
  const fromFile = file === undefined ? [] : [readFile(file)];
  const refusal = fromFile.find((layer) => "kind" in layer);
  if (refusal !== undefined) return refusal;
  const fromEnvironment = readEnvironment(environment, readSecret);
  if (fromEnvironment.kind === "refused") return refuse([fromEnvironment.message]);
  const fromFlags = Object.entries(flags).map(([path, text]) => ({ name: flagOf(path), tree: treeOf(path, text) }));
  const byDefault = { name: defaultsName, tree: defaultStateDir(environment) };
  return [byDefault, ...fromFile.filter((layer) => "tree" in layer), ...fromEnvironment.layers, ...fromFlags];
}

/** Who set this, or the nearest group or list around it, or something inside it. */
export function sourceOf(path: string, sources: ReadonlyMap<string, string>): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf(".", end - 1)) {
    const source = sources.get(path.slice(0, end));
    if (source !== undefined) return source;
  }
  return [...sources].find(([given]) => given.startsWith(`${path}.`))?.[1] ?? defaultsName;
}

/** `["workers", 0, "kind"]` → `workers[0].kind` */
const placeOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (place, key) => (typeof key === "number" ? `${place}[${key}]` : `${place}${place === "" ? "" : "."}${String(key)}`),
    "",
  );

interface Origins {
  readonly sources: ReadonlyMap<string, string>;
  readonly layers: readonly Layer[];
}

/** `--port`, or `the file understudy.yaml, line 7`. */
function originOf(path: readonly PropertyKey[], { sources, layers }: Origins): string {
  const name = sourceOf(path.join("."), sources);
  const line = layers.find((layer) => layer.name === name)?.lineOf?.(path) ?? null;
  return line === null ? name : `${name}, line ${line}`;
}

function sentencesOf(issue: z.core.$ZodIssue, origins: Origins): readonly string[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const unknown = [...path, key];
      const place = placeOf(unknown);
      const origin = originOf(unknown, origins);
      const presentName = presentNameOf(place);
      return presentName === null
        ? `Configuration: there is no setting ${place} (from ${origin}); docs/configuration.md lists all.`
        : `Configuration: ${place} (from ${origin}) is called ${presentName} now; write that name instead.`;
    });
  }
  if (path.join(".") === "stateDir" && !origins.sources.has("stateDir"))
    return ["Configuration: stateDir has no default here, because HOME is not set; say --state-dir."];
  return [`Configuration: ${placeOf(path)} ${issue.message} (from ${originOf(path, origins)}).`];
}

/** What was written, of all layers, against the schema. */
export function acceptTree(tree: Tree, origins: Origins): ConfigAnswer {
  const parsed = configSchema.safeParse(tree);
  if (!parsed.success) return refuse(parsed.error.issues.flatMap((issue) => sentencesOf(issue, origins)));
  return { kind: "accepted", config: parsed.data, sources: origins.sources, tree };
}

/** Precedence: flag > environment > file > default. */
export function parseConfig(texts: ConfigTexts): ConfigAnswer {
  const layers = readLayers(texts);
  if ("kind" in layers) return layers;
  const forbidden = layers.find(({ tree }) => listPaths(tree).some((path) => path.split(".").includes(forbiddenKey)));
  if (forbidden !== undefined)
    return refuse([`Configuration: there is no setting ${forbiddenKey} (from ${forbidden.name}).`]);
  const sources = new Map(layers.flatMap(({ name, tree }) => listPaths(tree).map((path) => [path, name] as const)));
  return acceptTree(mergeLayers(layers), { sources, layers });
}
