/** The list of settings with all that is known of each, derived from the schema: for sentences, reloads and the generated page. */
import { z } from "zod";
import { settingsSchema } from "./schema.ts";
import { type SettingName, settingNames } from "./setting-names.ts";

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

export interface Setting extends SettingName {
  readonly description: string;
  readonly byDefault: unknown;
  /** `100ms to 5m`, or the words that may be written; empty where any text may. */
  readonly bounds: string;
  /** SIGHUP applies a change. */
  readonly isLive: boolean;
}

export function boundsOf(schema: SettingSchema): string {
  const words = schema.enum ?? schema.items?.enum;
  if (words !== undefined) return words.join(", ");
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  return schema["x-bounds"] ?? "";
}

function describe(): Readonly<Record<string, unknown>> & SettingSchema {
  const { required: _needed, ...described } = z.toJSONSchema(settingsSchema, { io: "input", unrepresentable: "any" });
  return { ...(described as SettingSchema), title: "Configuration of Understudy" };
}

let described: ReturnType<typeof describe> | undefined;

/** What a configuration file may hold. Nothing is required: the state directory has a default outside the schema. Made when it is first asked for. */
export const configJsonSchema = (): ReturnType<typeof describe> => (described ??= describe());

/** Every setting that can be given alone, in the schema's order. */
export function listSettings(): readonly Setting[] {
  return settingNames.map((name) => {
    const schema = name.path
      .split(".")
      .reduce<SettingSchema | undefined>((group, key) => group?.properties?.[key], configJsonSchema());
    if (schema === undefined) throw new Error(`the JSON Schema has no setting ${name.path}`);
    return {
      ...name,
      description: schema.description ?? "",
      byDefault: schema.default,
      bounds: boundsOf(schema),
      isLive: schema["x-reload"] === true,
    };
  });
}
