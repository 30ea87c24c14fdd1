/** What `/api/v1/events` sends: a frame for each row of the timeline, under the row's kind, and frames that are no rows. */
import { z } from "zod";
import { type EventKind, type EventMap, eventKinds, events } from "../core/events.ts";
import type { JsonSchema } from "./api/documented-body.ts";
import { downloadSchema } from "./model-wire.ts";
import { attemptSchema, healthSchema, healthStatusSchema, systemStatusSchema } from "./recovery-wire.ts";
import { renamedSchema, type Snake } from "./renaming.ts";
import { modeSchema, progressSchema, type RowWire, rowSchema, snapshotSchema } from "./stream-wire.ts";

/** A client that was too slow has missed something; a snapshot follows. */
const resyncSchema = z.strictObject({ reason: z.literal("lagging") });
/** The last one of a stream that the service ends. */
const byeSchema = z.strictObject({ reason: z.enum(["stopping", "error", "head"]) });

/** Frames that are no rows. The snapshot alone has a number: that of the last row that it holds. */
const plainFrames = {
  snapshot: snapshotSchema,
  resync: resyncSchema,
  bye: byeSchema,
  mode: modeSchema,
  system_status: systemStatusSchema,
  progress: progressSchema,
  health: healthSchema,
  health_status: healthStatusSchema,
  download_progress: downloadSchema,
  recovery_attempt: attemptSchema,
};
type PlainFrames = typeof plainFrames;

/** A row as a client reads it: what it carries has the names of its kind. */
type RowFrame<Kind extends EventKind = EventKind> = {
  readonly [Each in Kind]: {
    readonly event: Each;
    readonly id: number;
    readonly data: Omit<RowWire, "kind" | "data"> & { readonly kind: Each; readonly data: Snake<EventMap[Each]> };
  };
}[Kind];

type PlainFrame = {
  readonly [Name in keyof PlainFrames]: {
    readonly event: Name;
    readonly id: number | null;
    readonly data: z.infer<PlainFrames[Name]>;
  };
}[keyof PlainFrames];

export type EventFrame = RowFrame | PlainFrame;

/** A newer service may send what this client does not know. */
export const isKnownFrame = (event: string): boolean =>
  Object.hasOwn(plainFrames, event) || Object.hasOwn(events, event);

const jsonOf = (schema: z.ZodType): JsonSchema => {
  const { $schema: _schema, ...json } = z.toJSONSchema(schema, { unrepresentable: "any", io: "input" }) as JsonSchema;
  return json;
};

const integer: JsonSchema = { type: "integer" };

function plainFrameSchema(event: string, data: z.ZodType): JsonSchema {
  const isNumbered = event === "snapshot";
  return {
    type: "object",
    title: event,
    properties: { event: { const: event }, ...(isNumbered ? { id: integer } : {}), data: jsonOf(data) },
    required: ["event", ...(isNumbered ? ["id"] : []), "data"],
  };
}

/** What the frame of one kind of row has beside what all of them have. */
export function rowFrameSchema(kind: EventKind): JsonSchema {
  const { when, schema } = events[kind];
  const data = { properties: { kind: { const: kind }, data: renamedSchema(jsonOf(schema())) } };
  return { title: kind, description: when, properties: { event: { const: kind }, data } };
}

/** Every frame by its name, for the OpenAPI document. */
export function frameSchemas(): JsonSchema {
  const row: JsonSchema = {
    type: "object",
    properties: { event: { type: "string" }, id: integer, data: jsonOf(rowSchema) },
    required: ["event", "id", "data"],
  };
  return {
    description: "Frames of server-sent events, each by its name; `data` is JSON.",
    oneOf: [
      ...Object.entries(plainFrames).map(([event, data]) => plainFrameSchema(event, data)),
      { title: "A row of the timeline", allOf: [row, { oneOf: eventKinds.map(rowFrameSchema) }] },
    ],
  };
}
