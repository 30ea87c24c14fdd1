/** The list of settings, derived from the schema: for environment variables, sentences and the generated page. */
import { z } from "zod";
import { settingsSchema } from "./schema.ts";

/** What the JSON Schema says of one setting or group; the `x-` words are our own. */
export interface SettingSchema {
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly items?: SettingSchema;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SettingSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly "x-bounds"?: string;
  readonly "x-reload"?: boolean;
  readonly "x-secret"?: boolean;
}

export interface Setting {
  /** `standIn.after` */
  readonly path: string;
  /** `UNDERSTUDY_STAND_IN_AFTER` */
  readonly environmentName: string;
  readonly description: string;
  readonly byDefault: unknown;
  /** `100ms to 5m`, or the words that may be written; empty where any text may. */
  readonly bounds: string;
  /** SIGHUP applies a change. */
  readonly isLive: boolean;
  readonly isSecret: boolean;
}

const environmentNameOf = (path: string): string =>
  `UNDERSTUDY_${path
    .replaceAll(".", "_")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;

export function boundsOf(schema: SettingSchema): string {
  const words = schema.enum ?? schema.items?.enum;
  if (words !== undefined) return words.join(", ");
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  return schema["x-bounds"] ?? "";
}

function list(schema: SettingSchema, prefix: string): readonly Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`;
    if (inner.properties !== undefined) return list(inner, `${path}.`);
    return [
      {
        path,
        environmentName: environmentNameOf(path),
        description: inner.description ?? "",
        byDefault: inner.default,
        bounds: boundsOf(inner),
        isLive: inner["x-reload"] === true,
        isSecret: inner["x-secret"] === true,
      },
    ];
  });
}

const { required: _needed, ...described } = z.toJSONSchema(settingsSchema, { io: "input", unrepresentable: "any" });

/** What a configuration file may hold. Nothing is required: the state directory has a default outside the schema. */
export const configJsonSchema: Readonly<Record<string, unknown>> & SettingSchema = {
  ...(described as SettingSchema),
  title: "Configuration of Understudy",
};

/** Every setting that can be given alone, in the schema's order. */
export const settings: readonly Setting[] = list(configJsonSchema, "");

export const secretSettings: readonly Setting[] = settings.filter(({ isSecret }) => isSecret);
