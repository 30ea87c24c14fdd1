/** The seed's submission: the fields that its clients send, and what they mean here. */
import { z } from "zod";
import type { Consent, RenderRequest } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { needsImage, resolutionsOf } from "../core/model-figures.ts";
import { fallbackConsents, loraExperts, reductionKinds } from "../core/words.ts";

/** Form fields arrive as strings, and two generations of the seed's client send numbers as strings in JSON too. */
const fromText = (value: unknown): unknown => {
  if (typeof value !== "string") return value;
  const text = value.trim();
  return /^[+-]?\d{1,16}(?:\.\d{1,16})?$/.test(text) ? Number(text) : value;
};
export const wholeNumber = (low: number, high: number) =>
  z.preprocess(
    fromText,
    z
      .number(`must be a number from ${low} to ${high}`)
      .int(`must be a whole number from ${low} to ${high}`)
      .min(low, `must be at least ${low}`)
      .max(high, `must be at most ${high}`),
  );
export const emptyIsAbsent = <Inner extends z.ZodType>(inner: Inner) =>
  z.preprocess((value) => (value === "" || value === null ? undefined : value), inner.optional());

const listed = (values: readonly string[]): string => `[${values.map((value) => `'${value}'`).join(", ")}]`;

/** Pickle formats run code when they are opened. */
const pickleEndings = /\.(?:pt|pth|bin|ckpt|pkl|pickle)$/i;
const isConfined = (path: string): boolean =>
  !/^(?:[/\\]|[A-Za-z]:)/.test(path) && !path.includes("\0") && !path.split(/[/\\]/).includes("..");
const loraPathSchema = z
  .string("must be a text")
  .max(255, "must have at most 255 characters")
  .refine(isConfined, "must be a path below the LoRA directory")
  .refine((path) => !pickleEndings.test(path), "must name a .safetensors file");

const loraStrengthSchema = z.preprocess(
  fromText,
  z.number("must be a number from 0 to 2").min(0, "must be at least 0").max(2, "must be at most 2"),
);
export const mostLoras = 8;

/** A form has no lists: there a list is its JSON. */
function fromJsonText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return value;
    throw thrown;
  }
}

export const longestPromptLength = 500;

export const submitSchema = z.object({
  model_type: z.string("is required"),
  prompt: z
    .string("is required")
    .max(longestPromptLength, `must have at most ${longestPromptLength} characters`)
    .refine((text) => text.trim() !== "", "must not be blank")
    .describe("What the video shows, 1 to 500 characters."),
  resolution: z.string("must be a text such as 1280x720").default("1280x720"),
  steps: wholeNumber(1, 100).default(50),
  num_frames: emptyIsAbsent(wholeNumber(1, 257)),
  fps: emptyIsAbsent(wholeNumber(1, 60)),
  seed: emptyIsAbsent(wholeNumber(0, 2 ** 31 - 1)),
  lora_path: emptyIsAbsent(loraPathSchema),
  lora_strength: loraStrengthSchema.default(1),
  loras: emptyIsAbsent(
    z
      .preprocess(
        fromJsonText,
        z
          .array(
            z.object({
              name: loraPathSchema.min(1, "must not be empty"),
              strength: loraStrengthSchema.default(1),
              expert: z.enum(loraExperts, { error: `must be one of: ${listed(loraExperts)}` }).default("both"),
            }),
            "must be a list of { name, strength, expert }",
          )
          .max(mostLoras, `must have at most ${mostLoras} entries`),
      )
      .describe("Further LoRAs, each for both experts of the model or for one."),
  ),
  fallback: emptyIsAbsent(z.enum(fallbackConsents, { error: `must be one of: ${listed(fallbackConsents)}` })),
  allow: emptyIsAbsent(
    z.preprocess(
      (value) => (typeof value === "string" ? value.split(",").map((part) => part.trim()) : value),
      z
        .array(z.enum(reductionKinds, { error: `must be a list of: ${listed(reductionKinds)}` }))
        .max(reductionKinds.length, "names something twice"),
    ),
  ),
});
export type SubmitFields = z.infer<typeof submitSchema>;

/** The seed's other spelling of the same fields. */
const otherSpellings = { modelType: "model_type", loraPath: "lora_path", loraStrength: "lora_strength" } as const;

export type ParsedSubmission =
  | { readonly kind: "fields"; readonly fields: SubmitFields; readonly model: ModelEntry }
  | { readonly kind: "invalid"; readonly param: string; readonly message: string };

export interface SubmissionAbout {
  readonly catalog: ModelCatalog;
  readonly hasImage: boolean;
}

/** Sentences that begin with a capital letter stand alone; the others need the field's name. */
const sentenceOf = (param: string, message: string): string =>
  /^[A-Z]/.test(message) ? message : `${param} ${message}`;

/** `raw` is whatever the body held: unknown keys are ignored, as the seed does. */
export function parseSubmission(raw: unknown, { catalog, hasImage }: SubmissionAbout): ParsedSubmission {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    return { kind: "invalid", param: "body", message: "The body must be an object of fields." };
  }
  const fields: Record<string, unknown> = { ...raw };
  for (const [other, name] of Object.entries(otherSpellings)) fields[name] ??= fields[other];
  const { model_type: name } = fields;
  if (typeof name === "string" && !catalog.has(name)) {
    const message = `Invalid model type. Must be one of: ${listed(catalog.ids)}`;
    return { kind: "invalid", param: "model_type", message };
  }
  const parsed = submitSchema.safeParse(fields);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const param = String(issue?.path[0] ?? "body");
    return { kind: "invalid", param, message: sentenceOf(param, issue?.message ?? "is not acceptable") };
  }
  const model = catalog.entryOf(parsed.data.model_type);
  const resolutions = resolutionsOf(model);
  if (!resolutions.includes(parsed.data.resolution)) {
    return {
      kind: "invalid",
      param: "resolution",
      message: `Invalid resolution. Must be one of: ${listed(resolutions)}`,
    };
  }
  if (needsImage(model) && !hasImage) {
    return { kind: "invalid", param: "image", message: `image is required for ${model.id}` };
  }
  return { kind: "fields", fields: parsed.data, model };
}

function sizeOf(resolution: string): { width: number; height: number } {
  const [width, height] = resolution.split("x").map(Number);
  return { width: width ?? 0, height: height ?? 0 };
}

/** `drawSeed` is asked only when the request names none. @param model the entry of what the fields name */
export function toRenderRequest(fields: SubmitFields, model: ModelEntry, drawSeed: () => number): RenderRequest {
  return {
    model: model.id,
    prompt: fields.prompt,
    ...sizeOf(fields.resolution),
    frames: fields.num_frames ?? model.defaultFrames,
    framesPerSecond: fields.fps ?? model.framesPerSecond,
    steps: fields.steps,
    seed: fields.seed ?? drawSeed(),
    loraPath: fields.lora_path ?? null,
    loraStrength: fields.lora_strength,
    ...(fields.loras === undefined || fields.loras.length === 0 ? {} : { loras: fields.loras }),
  };
}

/** What the request says goes before what the configuration says. */
export function toConsent(fields: SubmitFields, defaults: Consent): Consent {
  return {
    fallback: fields.fallback ?? defaults.fallback,
    allow: fields.allow ?? defaults.allow,
    floor: defaults.floor,
  };
}

/** Canonical text of the parsed fields: two spellings of one request are the same, and a drawn seed does not count. */
export function idempotencyBodyOf(fields: SubmitFields, imageHashes: readonly string[]): string {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return JSON.stringify([entries.toSorted(([a], [b]) => (a < b ? -1 : 1)), imageHashes]);
}
