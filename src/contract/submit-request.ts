/** An order as the compatible routes take it: the fields that their clients send, and how loosely those may write them. */
import { z } from "zod";
import { present } from "../core/present.ts";
import { listed, lorasOf, type Order, type OrderAbout, orderFields, problemOfOrder, usualOrder } from "./order.ts";
import { fromWire } from "./renaming.ts";

/** Form fields arrive as strings, and two generations of the compatible client send numbers as strings in JSON too. */
const fromText = (value: unknown): unknown => {
  if (typeof value !== "string") return value;
  const text = value.trim();
  return /^[+-]?\d{1,16}(?:\.\d{1,16})?$/.test(text) ? Number(text) : value;
};
export const numberOrText = (rule: z.ZodNumber) => z.preprocess(fromText, rule);
export const emptyIsAbsent = <Inner extends z.ZodType>(inner: Inner) =>
  z.preprocess((value) => (value === "" || value === null ? undefined : value), inner.optional());

/** A form has neither lists nor objects: there one is its JSON. */
export function fromJsonText(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return value;
    throw thrown;
  }
}

const loraSchema = z.object({
  name: orderFields.loraFile.min(1, "must not be empty"),
  strength: numberOrText(orderFields.loraStrength).default(usualOrder.loraStrength),
  expert: orderFields.loraExpert.default(usualOrder.loraExpert),
});

export const submitSchema = z.object({
  model_type: z.string("is required"),
  prompt: orderFields.prompt.describe("What the video shows, 1 to 500 characters."),
  resolution: z.string("must be a text such as 1280x720").default(usualOrder.size),
  steps: numberOrText(orderFields.steps).default(usualOrder.steps),
  num_frames: emptyIsAbsent(numberOrText(orderFields.frames)),
  fps: emptyIsAbsent(numberOrText(orderFields.framesPerSecond)),
  seed: emptyIsAbsent(numberOrText(orderFields.seed)),
  lora_path: emptyIsAbsent(orderFields.loraFile),
  lora_strength: numberOrText(orderFields.loraStrength).default(usualOrder.loraStrength),
  loras: emptyIsAbsent(
    z
      .preprocess(fromJsonText, lorasOf(loraSchema))
      .describe("Further LoRAs, each for both experts of the model or for one."),
  ),
  fallback: emptyIsAbsent(orderFields.fallback),
  allow: emptyIsAbsent(
    z.preprocess(
      (value) => (typeof value === "string" ? value.split(",").map((part) => part.trim()) : value),
      orderFields.allow,
    ),
  ),
});
export type SubmitFields = z.infer<typeof submitSchema>;

/** The other spelling of the same fields. */
const otherSpellings = { modelType: "model_type", loraPath: "lora_path", loraStrength: "lora_strength" } as const;

export type ParsedSubmission =
  | { readonly kind: "fields"; readonly fields: SubmitFields }
  | { readonly kind: "invalid"; readonly param: string; readonly message: string };

/** Sentences that begin with a capital letter stand alone; the others need the field's name. */
const sentenceOf = (param: string, message: string): string =>
  /^[A-Z]/.test(message) ? message : `${param} ${message}`;

/** The same fields under the names that an order has everywhere. */
export const toOrder = ({ model_type: model, resolution: size, num_frames, fps, ...rest }: SubmitFields): Order =>
  fromWire({ model, size, ...present({ frames: num_frames, frames_per_second: fps }), ...rest });

const invalid = (param: string, message: string) => ({ kind: "invalid", param, message }) as const;
const unknownModel = (models: readonly string[]) =>
  invalid("model_type", `Invalid model type. Must be one of: ${listed(models)}`);

/** `raw` is whatever the body held: unknown keys are ignored, as clients of these routes expect. */
export function parseSubmission(raw: unknown, about: OrderAbout): ParsedSubmission {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    return invalid("body", "The body must be an object of fields.");
  const given: Record<string, unknown> = { ...raw };
  for (const [other, name] of Object.entries(otherSpellings)) given[name] ??= given[other];
  const { model_type: model } = given;
  // Before all else: which sizes there are depends on it.
  if (typeof model === "string" && !about.catalog.has(model)) return unknownModel(about.catalog.ids);
  const { success, data: fields, error } = submitSchema.safeParse(given);
  if (!success) {
    const [issue] = error.issues;
    const param = String(issue?.path[0] ?? "body");
    return invalid(param, sentenceOf(param, issue?.message ?? "is not acceptable"));
  }
  const problem = problemOfOrder(toOrder(fields), about);
  if (problem === null) return { kind: "fields", fields };
  if ("choices" in problem && problem.field === "model") return unknownModel(problem.choices);
  if ("choices" in problem)
    return invalid("resolution", `Invalid resolution. Must be one of: ${listed(problem.choices)}`);
  const param = problem.field === "frames" ? "num_frames" : problem.field;
  return invalid(param, `${param} ${problem.detail}`);
}
