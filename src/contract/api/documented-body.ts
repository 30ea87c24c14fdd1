/** Bodies that their routes read by hand: the document shows their shape, clients are typed by it, and no library checks them. */
import { z } from "zod";

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
  const about = {
    ...(description === undefined ? {} : { description }),
    ...(byDefault === undefined ? {} : { default: byDefault }),
  };
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

interface DocumentedBody<Body> {
  readonly required: false;
  readonly content: { readonly "application/json": { readonly schema: z.ZodType<Body, Body> } };
}

/** Asked when the document is made: the models of a configuration are known only then, and a start pays for none of it. */
function contentOf<Content>(schemas: Readonly<Record<string, () => JsonSchema>>): Content {
  const content = Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => [
      type,
      {
        get schema() {
          return schema();
        },
      },
    ]),
  );
  // The document takes a JSON Schema where the types of handlers and clients want zod; nothing else reads it.
  return content as never;
}

/** By content type. */
export const documentedBody = <Body>(
  schemas: Readonly<Record<string, () => JsonSchema>>,
  isRequired = false,
): DocumentedBody<Body> => ({ required: isRequired as false, content: contentOf(schemas) });

/** Server-sent events, for `responses`: what the frames are. */
export const documentedStream = (frames: () => JsonSchema) => ({
  description: "Events without end.",
  content: contentOf<{ readonly "text/event-stream": { readonly schema: z.ZodType<string, string> } }>({
    "text/event-stream": frames,
  }),
});
