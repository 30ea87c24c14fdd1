/** Bodies that their routes read by hand: the document shows their shape, clients are typed by it, and no library checks them. */
import { z } from "zod";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { ifKnown, present } from "../../core/present.ts";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

const numericText: JsonSchema = { type: "string", pattern: "^\\s*[+-]?\\d{1,16}(\\.\\d{1,16})?\\s*$" };
const isNumeric = ({ type }: JsonSchema): boolean => type === "integer" || type === "number";

/** What a field takes besides its proper form: numbers as text, and nothing at all as null or an empty text. */
function withLooseForms(json: JsonSchema, accepts: (value: unknown) => boolean): JsonSchema {
  const further: JsonSchema[] = [
    ...(isNumeric(json) && accepts(String(json.maximum ?? json.minimum ?? 1)) ? [numericText] : []),
    ...(json.type === "array" ? [{ type: "string" } as const] : []),
    ...(accepts(null) ? [{ type: "null" } as const] : []),
    ...(accepts("") ? [{ const: "" }] : []),
  ];
  const { description, default: byDefault, ...rest } = json;
  const about = present({ description, default: byDefault });
  return further.length === 0 ? json : { ...about, anyOf: [rest, ...further] };
}

/** The fields of an object as JSON Schema: the forms that its parser takes, not only those that it makes of them. */
export function looseObject(schema: z.ZodObject): JsonSchema & { readonly properties: Record<string, JsonSchema> } {
  const { $schema: _schema, ...json } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const properties = Object.entries(json.properties ?? {}).map(([name, property]) => {
    const accepts = (value: unknown): boolean => schema.shape[name]?.safeParse(value).success ?? false;
    return [name, withLooseForms(property as JsonSchema, accepts)] as const;
  });
  return { ...json, properties: Object.fromEntries(properties) };
}

type Describe = (catalog: ModelCatalog) => JsonSchema;

interface Media<Body> {
  readonly schema: z.ZodType<Body, Body>;
}

/** The document's generator takes a plain JSON Schema as it is, and the router checks nothing by it; clients are typed by `Body`. */
const mediaOf = <Body>(schema: JsonSchema | null): Media<Body> => ({ schema }) as never;

/** What the document says of it follows from the models of the service that it describes. */
class DescribedMedia<Body> implements Media<Body> {
  readonly schema = mediaOf<Body>(null).schema;
  readonly describe: Describe;

  constructor(describe: Describe) {
    this.describe = describe;
  }
}

interface DocumentedBody<Body> {
  readonly required: boolean;
  readonly content: { readonly "application/json": Media<Body> };
}

/** By content type. */
export function documentedBody<Body>(
  describe: { readonly "application/json": Describe; readonly "multipart/form-data"?: Describe },
  isRequired = false,
): DocumentedBody<Body> {
  const form = describe["multipart/form-data"];
  const content = {
    "application/json": new DescribedMedia<Body>(describe["application/json"]),
    ...present({ "multipart/form-data": ifKnown(form, (describeForm) => new DescribedMedia<Body>(describeForm)) }),
  };
  return { required: isRequired, content };
}

/** A route's media as the document of one service shows it. */
export const describedMedia = <Any>(media: Any, catalog: ModelCatalog): Any | Media<unknown> =>
  media instanceof DescribedMedia ? mediaOf(media.describe(catalog)) : media;

/** Server-sent events, for `responses`: what the frames are. */
export const documentedStream = (frames: () => JsonSchema) => ({
  description: "Events without end.",
  content: { "text/event-stream": new DescribedMedia<string>(frames) },
});
