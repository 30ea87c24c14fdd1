/**
 * The names of all settings, read from the schema itself: every start needs them, and the JSON Schema, which has them too,
 * takes many times as long to make.
 */
import { z } from "zod";
import { settingsSchema } from "./schema.ts";

export interface SettingName {
  /** `standIn.after` */
  readonly path: string;
  /** `UNDERSTUDY_STAND_IN_AFTER` */
  readonly environmentName: string;
  readonly isSecret: boolean;
}

export const environmentNameOf = (path: string): string =>
  `UNDERSTUDY_${path
    .replaceAll(".", "_")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;

interface Written {
  readonly schema: z.core.$ZodType;
  readonly isSecret: boolean;
}

/** What people write, below defaults and transforms; a mark on any of these layers counts. */
function writtenOf(schema: z.core.$ZodType, isMarked = false): Written {
  const isSecret = isMarked || z.globalRegistry.get(schema)?.["x-secret"] === true;
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault)
    return writtenOf(schema.def.innerType, isSecret);
  if (schema instanceof z.ZodPreprocess) return writtenOf(schema.def.out, isSecret);
  if (schema instanceof z.ZodPipe) return writtenOf(schema.def.in, isSecret);
  return { schema, isSecret };
}

function list(schema: z.core.$ZodType, prefix: string): readonly SettingName[] {
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).flatMap(([key, inner]) => {
    const path = `${prefix}${key}`;
    const written = writtenOf(inner);
    if (written.schema instanceof z.ZodObject) return list(written.schema, `${path}.`);
    return [{ path, environmentName: environmentNameOf(path), isSecret: written.isSecret }];
  });
}

/** Every setting that can be given alone, in the schema's order. */
export const settingNames: readonly SettingName[] = list(settingsSchema, "");

export const secretNames: readonly SettingName[] = settingNames.filter(({ isSecret }) => isSecret);
