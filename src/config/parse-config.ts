/** Layers of text → one `Config`, or one sentence that names the setting and where it came from. Reads no file. */
import type { z } from "zod";
import type { ErrorCode } from "../core/error-codes.ts";
import { readEnvironment } from "./environment.ts";
import { isTree, type Layer, listPaths, mergeLayers, type Tree, treeOf } from "./layers.ts";
import { type Config, configSchema } from "./schema.ts";

export interface ConfigTexts {
  /** Dotted setting → text, for instance `{ port: "9100", "sim.gpu": "h100" }`, from the command line. */
  readonly flags?: Readonly<Record<string, string>>;
  /** The process's environment; only `UNDERSTUDY_*`, `XDG_STATE_HOME` and `HOME` are read. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly text: string };
}

export type ConfigAnswer =
  | {
      readonly kind: "accepted";
      readonly config: Config /** Dotted setting → who set it. */;
      readonly sources: ReadonlyMap<string, string>;
    }
  | ConfigRefusal;

export interface ConfigRefusal {
  readonly kind: "refused";
  readonly code: Extract<ErrorCode, "CONFIGURATION_INVALID">;
  /** One sentence for people; never holds a secret. */
  readonly message: string;
}

const defaultsName = "the defaults";
const secretPath = "apiKey";

const refuse = (message: string): ConfigRefusal => ({
  kind: "refused",
  code: "CONFIGURATION_INVALID",
  message,
});

function readFile({ path, text }: NonNullable<ConfigTexts["file"]>): Layer | ConfigRefusal {
  const name = `the file ${path}`;
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return refuse(`Configuration: ${name} is not valid JSON (${thrown.message}).`);
    throw thrown;
  }
  if (!isTree(tree)) return refuse(`Configuration: ${name} must hold one JSON object.`);
  if (secretPath in tree)
    return refuse(`Configuration: apiKey must not stand in ${name}; set the environment variable UNDERSTUDY_API_KEY.`);
  return { name, tree };
}

function defaultStateDir({ XDG_STATE_HOME: stateHome, HOME: home }: Readonly<Record<string, string | undefined>>): Tree {
  // The XDG specification calls a relative path invalid, to be ignored.
  if (stateHome?.startsWith("/")) return { stateDir: `${stateHome}/understudy` };
  return home === undefined || home === "" ? {} : { stateDir: `${home}/.local/state/understudy` };
}

/** `stateDir` → `--state-dir`, `sim.gpu` → `--sim-gpu`. */
const flagOf = (path: string): string => `--${path.replaceAll(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Lowest precedence first. */
function readLayers({ flags = {}, environment = {}, file }: ConfigTexts): readonly Layer[] | ConfigRefusal {
  if (secretPath in flags)
    return refuse("Configuration: apiKey must not stand on the command line; set the environment variable UNDERSTUDY_API_KEY.");
  const fromFile = file === undefined ? [] : [readFile(file)];
  const refusal = fromFile.find((layer) => "kind" in layer);
  if (refusal !== undefined) return refusal;
  const fromEnvironment = readEnvironment(environment);
  if (fromEnvironment.kind === "refused") return refuse(fromEnvironment.message);
  const fromFlags = Object.entries(flags).map(([path, text]) => ({ name: flagOf(path), tree: treeOf(path, text) }));
  const byDefault = { name: defaultsName, tree: defaultStateDir(environment) };
  return [byDefault, ...fromFile.filter((layer) => "tree" in layer), ...fromEnvironment.layers, ...fromFlags];
}

/** Who set this, or the nearest group or list around it, or something inside it. */
function sourceOf(path: string, sources: ReadonlyMap<string, string>): string {
  for (let end = path.length; end > 0; end = path.lastIndexOf(".", end - 1)) {
    const source = sources.get(path.slice(0, end));
    if (source !== undefined) return source;
  }
  return [...sources].find(([given]) => given.startsWith(`${path}.`))?.[1] ?? defaultsName;
}

function sentenceOf(issue: z.core.$ZodIssue, sources: ReadonlyMap<string, string>): string {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const unknown = [...issue.path, issue.keys[0] ?? ""].join(".");
    return `Configuration: there is no setting ${unknown} (from ${sourceOf(unknown, sources)}); docs/configuration.md lists all.`;
  }
  if (path === "stateDir" && !sources.has(path))
    return "Configuration: stateDir has no default here, because HOME is not set; say --state-dir.";
  return `Configuration: ${path} ${issue.message} (from ${sourceOf(path, sources)}).`;
}

/** Precedence: flag > environment > file > default. */
export function parseConfig(texts: ConfigTexts): ConfigAnswer {
  const layers = readLayers(texts);
  if ("kind" in layers) return layers;
  const sources = new Map(layers.flatMap(({ name, tree }) => listPaths(tree).map((path) => [path, name] as const)));
  const parsed = configSchema.safeParse(mergeLayers(layers));
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    return refuse(first === undefined ? "Configuration: it is not acceptable." : sentenceOf(first, sources));
  }
  return { kind: "accepted", config: parsed.data, sources };
}
