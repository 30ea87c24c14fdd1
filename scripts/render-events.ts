/** docs/events.md: every kind of row, from the map that the program is compiled by. */
import { z } from "zod";
import { writers } from "../src/core/events/define-event.ts";
import { incidentEvents } from "../src/core/events/incident-events.ts";
import { jobEvents } from "../src/core/events/job-events.ts";
import { serviceEvents } from "../src/core/events/service-events.ts";
import { workerEvents } from "../src/core/events/worker-events.ts";
import { type EventKind, events } from "../src/core/events.ts";

interface Shape {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}

const units: readonly (readonly [ending: RegExp, unit: string])[] = [
  [/(?:_at_ms|AtMs|^until_ms)$/, ", ms since 1970"],
  [/(?:_ms|Ms)$/, ", ms"],
  [/(?:bytes|Bytes)/, ", bytes"],
  [/^confidence$/, ", 0 to 1"],
];

/** Words of more than this many are named by their list. */
const shownWordCount = 6;

function typeOf(shape: Shape): string {
  if (shape.const !== undefined) return JSON.stringify(shape.const);
  if (shape.enum !== undefined)
    return shape.enum.length > shownWordCount ? "word" : shape.enum.map((word) => `"${String(word)}"`).join(" or ");
  if (shape.anyOf !== undefined) return shape.anyOf.map(typeOf).join(" or ");
  if (shape.items !== undefined) return `list of ${typeOf(shape.items)}`;
  if (shape.properties !== undefined) return `{ ${Object.keys(shape.properties).join(", ")} }`;
  const types = [shape.type ?? "anything"].flat();
  return types.map((type) => (type === "string" ? "text" : type)).join(" or ");
}

function fieldsOf(kind: EventKind): string {
  const { properties = {}, required = [] } = z.toJSONSchema(events[kind].schema(), { unrepresentable: "any" }) as Shape;
  const fields = Object.entries(properties).map(([name, shape]) => {
    const unit = units.find(([ending]) => ending.test(name))?.[1] ?? "";
    return `\`${name}\`${required.includes(name) ? "" : "?"}: ${typeOf(shape)}${unit}`;
  });
  return fields.length === 0 ? "none" : fields.join("; ");
}

const groups = {
  "About a job": jobEvents,
  "About a worker": workerEvents,
  "About an incident": incidentEvents,
  "About the service": serviceEvents,
} as const;

const cell = (text: string): string => text.replaceAll("|", "\\|");

function rowOf(kind: EventKind): string {
  const { when, by, readBy } = events[kind];
  return `| \`${kind}\` | ${cell(when)} | ${by} | ${readBy === "people" ? "yes" : ""} | ${cell(fieldsOf(kind))} |`;
}

export function renderEvents(): string {
  const tables = Object.entries(groups).flatMap(([title, kinds]) => [
    `## ${title}`,
    "",
    "| Kind | When it is written | By | Words | What it carries |",
    "|---|---|---|---|---|",
    ...(Object.keys(kinds) as EventKind[]).map(rowOf),
    "",
  ]);
  return [
    "# Rows of the timeline",
    "<!-- Generated from src/core/events by scripts/generate-docs.ts. Change those files, then run npm run docs. -->",
    "",
    "Everything that happened is one row of the event log: `seq`, a moment, a kind, who did it, which job, incident and worker it is about,",
    "and what its kind carries. `GET /api/v1/events` sends each row under its kind, with the names of all fields in snake_case. A field with",
    "`?` may be absent. Kinds with words are told to people, on the page and as `text` on the stream; the others are kept for audit, replay and",
    "metrics. A row of another version, of a kind or with fields that are not here, is shown as it is, without words.",
    "",
    ...tables,
    "## Who writes",
    "",
    ...Object.entries(writers).map(([name, who]) => `- **${name}**: ${who}`),
    "",
  ].join("\n");
}
