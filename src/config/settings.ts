/** The list of settings, derived from the schema: for environment variables, sentences and the generated page. */
import { z } from "zod";
import { settingsSchema } from "./schema.ts";

export interface Setting {
  /** `standIn.after` */
  readonly path: string;
  /** `UNDERSTUDY_STAND_IN_AFTER` */
  readonly environmentName: string;
  readonly description: string;
  readonly byDefault: unknown;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly description?: string;
  readonly default?: unknown;
  readonly anyOf?: readonly JsonSchema[];
}

const environmentNameOf = (path: string): string =>
  `UNDERSTUDY_${path
    .replaceAll(".", "_")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;

function list(schema: JsonSchema, prefix: string): readonly Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`;
    if (inner.properties !== undefined) return list(inner, `${path}.`);
    return [{ path, environmentName: environmentNameOf(path), description: inner.description ?? "", byDefault: inner.default }];
  });
}

/** Every setting that can be given alone, in the schema's order. */
export const settings: readonly Setting[] = list(z.toJSONSchema(settingsSchema, { io: "input", unrepresentable: "any" }) as JsonSchema, "");
