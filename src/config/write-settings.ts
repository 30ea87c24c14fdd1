/** Settings as YAML that could be a file: those that are in force, and the example in which each one is explained. */
import { stringify } from "yaml";
import { isTree, valueAt } from "./layers.ts";
import { type AcceptedConfig, defaultsName, sourceOf } from "./parse-config.ts";
import { secretNames, settingNames } from "./setting-names.ts";
import { boundsOf, configJsonSchema, type SettingSchema } from "./settings.ts";

/** What the writer asks about each setting. */
interface Writer {
  /** Undefined: it is not set. */
  readonly valueOf: (path: string, schema: SettingSchema) => unknown;
  readonly commentOf: (path: string, schema: SettingSchema) => readonly string[];
  /** How a setting without a value is written: the text behind `#`; null leaves it out. */
  readonly unsetOf: (schema: SettingSchema) => string | null;
  /** Groups are explained, and entries of lists are written field by field, each with its comment. */
  readonly isExplaining: boolean;
}

const indent = (lines: readonly string[], by: string): string[] =>
  lines.map((line) => (line === "" ? "" : `${by}${line}`));

const plain = (value: unknown): string => stringify(value, { lineWidth: 0, collectionStyle: "flow" }).trim();

function entryLines(entry: unknown, schema: SettingSchema, writer: Writer): string[] {
  const { items = {} } = schema;
  const given = isTree(entry) ? entry : {};
  const inEntry: Writer = { ...writer, valueOf: (inner, inside) => valueAt(given, inner) ?? inside.default };
  const lines = writer.isExplaining
    ? groupLines(items, "", inEntry)
    : stringify(entry, { lineWidth: 0 }).trimEnd().split("\n");
  return ["-", ...indent(lines, "  ")];
}

function settingLines(key: string, path: string, schema: SettingSchema, writer: Writer): string[] {
  const comments = writer.commentOf(path, schema).map((line) => `# ${line}`);
  const value = writer.valueOf(path, schema);
  if (value === undefined || value === null) {
    const unset = writer.unsetOf(schema);
    return unset === null ? [] : [...comments, `# ${key}: ${unset}`];
  }
  if (!Array.isArray(value) || !value.some(isTree)) return [...comments, `${key}: ${plain(value)}`];
  return [
    ...comments,
    `${key}:`,
    ...indent(
      value.flatMap((entry) => entryLines(entry, schema, writer)),
      "  ",
    ),
  ];
}

function groupLines(schema: SettingSchema, prefix: string, writer: Writer): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`;
    if (inner.properties === undefined) return settingLines(key, path, inner, writer);
    const lines = groupLines(inner, `${path}.`, writer);
    const isEmpty = lines.every((line) => line.startsWith("#"));
    const comments =
      prefix === ""
        ? ["", ...(writer.isExplaining && inner.description !== undefined ? [`# ${inner.description}`] : [])]
        : [];
    return lines.length === 0 ? [] : [...comments, `${key}:${isEmpty ? " {}" : ""}`, ...indent(lines, "  ")];
  });
}

/** The settings that are in force. A secret is told to be set, and never shown. */
export function showSettings(accepted: AcceptedConfig, { withSources }: { readonly withSources: boolean }): string {
  const lines = groupLines(configJsonSchema(), "", {
    valueOf: (path, schema) =>
      schema["x-secret"] === true ? undefined : (valueAt(accepted.tree, path) ?? schema.default),
    commentOf: (path) => {
      const source = sourceOf(path, accepted.sources);
      return withSources && source !== defaultsName ? [`from ${source}`] : [];
    },
    unsetOf: () => null,
    isExplaining: false,
  });
  const secrets = secretNames.flatMap(({ path }) => {
    if (typeof valueAt(accepted.tree, path) !== "string") return [];
    return [`# ${path} is set${withSources ? ` from ${sourceOf(path, accepted.sources)}` : ""}, and not shown`];
  });
  return `${[...secrets, ...lines].join("\n").trim()}\n`;
}

const commentWidth = 110;

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.pop() ?? "";
    const isFull = last !== "" && last.length + word.length >= commentWidth;
    lines.push(...(isFull ? [last, word] : [`${last} ${word}`.trim()]));
  }
  return lines;
}

const environmentNames = new Map(settingNames.map(({ path, environmentName }) => [path, environmentName]));

function explain(path: string, schema: SettingSchema): string[] {
  const notes = [
    boundsOf(schema),
    environmentNames.get(path) ?? "",
    schema["x-reload"] === true ? "SIGHUP applies a change" : "",
  ];
  return [...wrap(schema.description ?? ""), ...wrap(notes.filter((note) => note !== "").join("; "))].filter(
    (line) => line !== "",
  );
}

/** An example of what may be written there, for settings that have no default. */
const sampleOf = (schema: SettingSchema): string =>
  plain(schema.enum?.[0] ?? schema.minimum ?? (schema.anyOf?.[0] ?? schema).minimum ?? "…");

/** Every setting with its default, explained. What has no default stands behind a `#`. */
export function exampleSettings(): string {
  const lines = groupLines(configJsonSchema(), "", {
    valueOf: (_path, schema) => schema.default,
    commentOf: explain,
    unsetOf: sampleOf,
    isExplaining: true,
  });
  return `${lines.join("\n").trim()}\n`;
}
