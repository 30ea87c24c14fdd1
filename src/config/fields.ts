/** The kinds of settings. Words in `meta` that begin with `x-` are our own: the JSON Schema, the page and the example have them. */
import { z } from "zod";
import { parseBytes, parseDurationMs } from "../core/units.ts";

/** Marks a setting that may be changed while the service runs: SIGHUP reads the file again. */
export const live = <Schema extends z.ZodType>(schema: Schema): Schema => schema.meta({ "x-reload": true });

/**
 * Marks a setting that stands in no file, command line or answer: only in the environment, or in a file that the
 * environment names.
 */
export const secret = <Schema extends z.ZodType>(schema: Schema): Schema => schema.meta({ "x-secret": true });

interface Bounds {
  readonly min: string;
  readonly max: string;
}

interface Measure {
  readonly parse: (text: string) => number | undefined;
  readonly kind: string;
  readonly example: string;
  readonly units: string;
}

function measured({ parse, kind, example, units }: Measure, bounds: Bounds, byDefault: string) {
  const low = parse(bounds.min) ?? Number.NaN;
  const high = parse(bounds.max) ?? Number.NaN;
  return z
    .string({ error: `must be a ${kind} with its unit, such as "${example}"` })
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined && value >= low && value <= high) return value;
      const message =
        value === undefined
          ? `must be a ${kind} with its unit, such as "${example}"`
          : `must be from ${bounds.min} to ${bounds.max}`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    })
    .prefault(byDefault)
    .meta({ pattern: `^\\s*\\d+(\\.\\d+)?\\s*(${units})\\s*$`, "x-bounds": `${bounds.min} to ${bounds.max}` });
}

const times: Measure = { parse: parseDurationMs, kind: "time", example: "30s", units: "ms|s|m|h|d" };
const sizes: Measure = { parse: parseBytes, kind: "size", example: "2GiB", units: "B|[KMGT]iB|[KMGT]B" };

/** A time that people write as `"30s"` and the program reads in ms. */
export const duration = (byDefault: string, bounds: Bounds) => measured(times, bounds, byDefault);

/** An amount that people write as `"12GiB"` and the program reads in bytes. */
export const amount = (byDefault: string, bounds: Bounds) => measured(sizes, bounds, byDefault);

/** Environment variables and flags are text; a number may come as its digits. */
const numberOf = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" ? Number(value) : value;

const rangeError = (what: string, min: number, max: number) => ({ error: `must be ${what} from ${min} to ${max}` });

/** What compares settings with each other is not asked when one of them is out of its range. */
const orAbort = (words: { readonly error: string }) => ({ ...words, abort: true });

export function wholeNumber(byDefault: number, { min, max }: { readonly min: number; readonly max: number }) {
  const words = rangeError("a whole number", min, max);
  return z
    .preprocess(numberOf, z.number(words).int(orAbort(words)).min(min, orAbort(words)).max(max, orAbort(words)))
    .prefault(byDefault);
}

export function numberBetween({ min, max }: { readonly min: number; readonly max: number }) {
  const words = rangeError("a number", min, max);
  return z.preprocess(numberOf, z.number(words).min(min, orAbort(words)).max(max, orAbort(words)));
}

export const decimal = (byDefault: number, range: { readonly min: number; readonly max: number }) =>
  numberBetween(range).prefault(byDefault);

/** `0.8` or `"80%"`, read as 0..1. */
export function ratio(byDefault: string) {
  const words = { error: 'must be a share from 0 to 1, or from "0%" to "100%"' };
  const share = z.number(words).min(0, orAbort(words)).max(1, orAbort(words));
  const text = z
    .string(words)
    .regex(/^\d+(\.\d+)?%?$/, words)
    .transform((written) => Number.parseFloat(written) / (written.endsWith("%") ? 100 : 1))
    .refine((value) => value <= 1, words);
  return z.union([share, text], words).prefault(byDefault).meta({ "x-bounds": "0% to 100%" });
}

export function yesOrNo(byDefault: boolean) {
  const read = (value: unknown): unknown => (value === "true" ? true : value === "false" ? false : value);
  return z.preprocess(read, z.boolean({ error: "must be true or false" })).prefault(byDefault);
}

/** Settings that belong together; an unknown key inside is an error. */
export const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, { error: "must be a group of settings; one that sets nothing is written {}" });

/** One of `words`; the sentence lists them. */
export const oneOf = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: `must be one of ${words.join(", ")}` });

/** A list, also as text with commas. */
export function listOf<Item extends z.ZodType>(item: Item) {
  const read = (value: unknown): unknown =>
    typeof value === "string"
      ? value
          .split(",")
          .map((part) => part.trim())
          .filter((part) => part !== "")
      : value;
  return z.preprocess(read, z.array(item, { error: "must be a list" }));
}
