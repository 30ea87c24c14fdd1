/** The files of `models.loraDir`. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";

const loraSchema = z.strictObject({
  name: z.string(),
  filename: z.string(),
  /** What a job gives as `lora_path`. */
  path: z.string(),
  size_mb: z.number(),
  modified_at: z.iso.datetime(),
});

export const lorasSchema = z
  .strictObject({ loras: z.array(loraSchema), total_count: z.number().int(), total_size_mb: z.number() })
  .meta({ id: "Loras" });

export interface LoraFacts {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
}

const megabytes = (bytes: number): number => Number((bytes / 1e6).toFixed(2));

export function toLoras(files: readonly LoraFacts[]): z.infer<typeof lorasSchema> {
  return {
    loras: files.map(({ path, bytes, modifiedAtMs }) => {
      const filename = path.split("/").at(-1) ?? path;
      return {
        name: filename.replace(/\.safetensors$/, ""),
        filename,
        path,
        size_mb: megabytes(bytes),
        modified_at: isoOf(modifiedAtMs),
      };
    }),
    total_count: files.length,
    total_size_mb: megabytes(files.reduce((sum, { bytes }) => sum + bytes, 0)),
  };
}
