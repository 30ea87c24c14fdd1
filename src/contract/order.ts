/**
 * The order of a video, whichever way it came: what its fields may hold, and the render that it asks for. The ways in differ in
 * their fields' names and in how loosely a number may be written; a rule stands here, and nowhere else.
 */
import { z } from "zod";
import type { Consent, RenderRequest } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { needsImage, resolutionsOf } from "../core/model-figures.ts";
import { sizeOfText } from "../core/pixel-size.ts";
import { ifAny, present } from "../core/present.ts";
import { fallbackConsents, loraExperts, type ModelId, reductionKinds } from "../core/words.ts";

export const longestPromptLength = 500;
const mostLoras = 8;
export const largestSeed = 2 ** 31 - 1;
/** What an order gets that does not say. */
export const usualOrder = { size: "1280x720", steps: 50, loraStrength: 1, loraExpert: "both" } as const;

/** Words of a list as the compatible routes' clients know it. */
export const listed = (values: readonly string[]): string => `[${values.map((value) => `'${value}'`).join(", ")}]`;

const whole = (low: number, high: number) =>
  z
    .number(`must be a number from ${low} to ${high}`)
    .int(`must be a whole number from ${low} to ${high}`)
    .min(low, `must be at least ${low}`)
    .max(high, `must be at most ${high}`);

/** Every other format runs code when it is opened, and a path that leaves its folder names somebody else's file. */
const isConfinedLora = (path: string): boolean =>
  /^(?![/\\])(?![A-Za-z]:)[^\0]+\.safetensors$/.test(path) && !path.split(/[/\\]/).includes("..");

const pixels = whole(16, 7_680);

/** What each field may hold. */
export const orderFields = {
  prompt: z
    .string("is required")
    .max(longestPromptLength, `must have at most ${longestPromptLength} characters`)
    .refine((text) => text.trim() !== "", "must not be blank"),
  frames: whole(1, 257),
  framesPerSecond: whole(1, 60),
  steps: whole(1, 100),
  seed: whole(0, largestSeed),
  loraFile: z
    .string("must be a text")
    .max(255, "must have at most 255 characters")
    .refine(isConfinedLora, "must be the path of a .safetensors file below the LoRA directory"),
  loraStrength: z.number("must be a number from 0 to 2").min(0, "must be at least 0").max(2, "must be at most 2"),
  loraExpert: z.enum(loraExperts, { error: `must be one of: ${listed(loraExperts)}` }),
  fallback: z.enum(fallbackConsents, { error: `must be one of: ${listed(fallbackConsents)}` }),
  allow: z
    .array(z.enum(reductionKinds, { error: `must be a list of: ${listed(reductionKinds)}` }))
    .max(reductionKinds.length, "names something twice")
    .refine((names) => new Set(names).size === names.length, "names something twice"),
  floor: { width: pixels, height: pixels, frames: whole(1, 1_000) },
} as const;

/** A list of LoRAs, of whatever form a way in gives to each of them. */
export const lorasOf = <Lora extends z.ZodType>(lora: Lora) =>
  z
    .array(lora, "must be a list of { name, strength, expert }")
    .max(mostLoras, `must have at most ${mostLoras} entries`);

/** What an order says of its consent. */
export interface GivenConsent {
  readonly fallback?: Consent["fallback"];
  readonly allow?: Consent["allow"];
  readonly floor?: NonNullable<Consent["floor"]>;
}

export interface Order extends GivenConsent {
  readonly model: ModelId;
  readonly prompt: string;
  /** In pixels, such as `1280x720`. */
  readonly size: string;
  readonly frames?: number;
  readonly framesPerSecond?: number;
  readonly steps: number;
  readonly seed?: number;
  readonly loraPath?: string;
  readonly loraStrength: number;
  readonly loras?: NonNullable<RenderRequest["loras"]>;
}

export interface OrderAbout {
  /** The models that workers offer. */
  readonly catalog: ModelCatalog;
  readonly hasImage: boolean;
}

/** What does not go together; `detail` goes on from the name that the field has at this way in. */
export type OrderProblem =
  /** There is no such model here, or none in this size: `choices` are what there is. */
  | { readonly field: "model" | "size"; readonly choices: readonly string[] }
  | { readonly field: "image" | "frames" | "loras"; readonly detail: string };

type OrderToJudge = Pick<Order, "model" | "size" | "frames" | "loras">;

const instead = (what: string, models: readonly ModelEntry[]): string =>
  models.length === 0 ? `no model of this service ${what}` : `${models.map(({ id }) => id).join(", ")} ${what}`;

/**
 * Null for an order that a worker can take as it stands: of a model that is offered, in one of its sizes, with the image that
 * it needs and with nothing that it refuses. What a worker would refuse by the request alone is refused here.
 */
export function problemOfOrder(order: OrderToJudge, { catalog, hasImage }: OrderAbout): OrderProblem | null {
  const entry = catalog.find(order.model);
  if (entry === undefined) return { field: "model", choices: catalog.ids };
  const sizes = resolutionsOf(entry);
  if (!sizes.includes(order.size)) return { field: "size", choices: sizes };
  const { mostFrames } = entry.pipeline;
  const frames = order.frames ?? entry.defaultFrames;
  if (frames > mostFrames) {
    const others = catalog.entries.filter(({ pipeline }) => frames <= pipeline.mostFrames);
    return {
      field: "frames",
      detail: `must be at most ${mostFrames} for ${entry.id}; ${instead("does more", others)}`,
    };
  }
  if (needsImage(entry) && !hasImage) return { field: "image", detail: `is required for ${entry.id}` };
  if (hasImage && entry.image === "none") {
    const others = catalog.entries.filter(({ image }) => image !== "none");
    return {
      field: "image",
      detail: `is not taken by ${entry.id}, which begins from the prompt alone; ${instead("begins from an image", others)}`,
    };
  }
  if (entry.expertCount === 1 && order.loras?.some(({ expert }) => expert === "low") === true)
    return { field: "loras", detail: `names one for the low-noise expert, and ${entry.id} has one expert alone` };
  return null;
}

/** `drawSeed` is asked only when the order names none. @param entry of the model that it names */
export function toRenderRequest(order: Order, entry: ModelEntry, drawSeed: () => number): RenderRequest {
  return {
    model: order.model,
    prompt: order.prompt,
    ...sizeOfText(order.size),
    frames: order.frames ?? entry.defaultFrames,
    framesPerSecond: order.framesPerSecond ?? entry.framesPerSecond,
    steps: order.steps,
    seed: order.seed ?? drawSeed(),
    loraPath: order.loraPath ?? null,
    loraStrength: order.loraStrength,
    ...present({ loras: ifAny(order.loras) }),
  };
}

/** What the order says goes before what the configuration says; where nothing may be reduced there is no floor. */
export function toConsent({ fallback, allow: given, floor }: GivenConsent, defaults: Consent): Consent {
  const allow = given ?? defaults.allow;
  return {
    fallback: fallback ?? defaults.fallback,
    allow,
    floor: floor ?? (allow.length === 0 ? null : defaults.floor),
  };
}
