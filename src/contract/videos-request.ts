/**
 * A video as clients of OpenAI's SDK and of vLLM-Omni ask for it, told in the fields of a submission, whose rules are the
 * only ones. Settings of our own stand under `understudy`.
 */
import { z } from "zod";
import type { ModelCatalog } from "../core/model-catalog.ts";
import { sizeText } from "../core/pixel-size.ts";
import { present } from "../core/present.ts";
import type { ModelId } from "../core/words.ts";
import { type Order, orderFields } from "./order.ts";
import {
  emptyIsAbsent,
  fromJsonText,
  numberOrText,
  parseSubmission,
  type SubmitFields,
  toOrder,
} from "./submit-request.ts";

const asObject = <Inner extends z.ZodType>(inner: Inner) => emptyIsAbsent(z.preprocess(fromJsonText, inner));

const anything = z.unknown().optional();

const ownSchema = z.strictObject(
  {
    allow: anything.describe(
      "Of frames, resolution and alternative_model: what may be reduced when memory does not suffice.",
    ),
    fallback: anything.describe(
      "stand_in_then_real, wait, fail or stand_in: what the job gets while no worker can give real output.",
    ),
    loras: anything.describe(
      "A list of { name, strength, expert }: further LoRAs, each for both experts of the model or for one.",
    ),
    floor: asObject(
      z.strictObject(
        {
          width: numberOrText(orderFields.floor.width),
          height: numberOrText(orderFields.floor.height),
          frames: numberOrText(orderFields.floor.frames),
        },
        "must have width, height and frames",
      ),
    ),
  },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has no setting ${issue.keys.join(", ").slice(0, 64)}`
        : "must hold allow, fallback, floor or loras",
  },
);

const loraSchema = z.object(
  { path: anything, local_path: anything, name: anything, scale: anything, strength: anything },
  "must be an object",
);

const referenceSchema = z.object(
  { image_url: anything, file_id: anything },
  "must be a file, or an object with image_url",
);

const isSeconds = (value: unknown): boolean => /^\d{1,3}(\.\d{1,6})?$/.test(String(value)) && Number(value) > 0;

export const videoRequestSchema = z.object({
  prompt: anything.describe("What the video shows, 1 to 500 characters."),
  model: emptyIsAbsent(z.string("must be a text")).describe("A name of /v1/models; the main model unless it is named."),
  seconds: emptyIsAbsent(
    z
      .union([z.string(), z.number()])
      .refine(isSeconds, "must be a number of seconds from 0 to 999, such as 4")
      .transform(Number),
  ),
  size: emptyIsAbsent(z.string("must be a text such as 1280x720")).describe(
    "Width x height, such as 1280x720, which is the default.",
  ),
  input_reference: asObject(referenceSchema).describe(
    "The image from which the video begins: a file, or a data URL in image_url.",
  ),
  image_reference: asObject(referenceSchema).describe("The same under vLLM-Omni's name."),
  width: emptyIsAbsent(numberOrText(orderFields.floor.width)),
  height: emptyIsAbsent(numberOrText(orderFields.floor.height)),
  num_frames: emptyIsAbsent(numberOrText(orderFields.frames)).describe("Goes before seconds."),
  fps: emptyIsAbsent(numberOrText(orderFields.framesPerSecond)),
  num_inference_steps: emptyIsAbsent(numberOrText(orderFields.steps)),
  seed: anything,
  lora: asObject(loraSchema).describe("A file below the LoRA directory, as path or name, and its scale."),
  extra_params: asObject(z.record(z.string(), z.unknown(), "must be an object")).describe(
    "Further fields, for clients that keep them apart.",
  ),
  understudy: asObject(ownSchema).describe("Settings of this service."),
});
type VideoRequest = z.output<typeof videoRequestSchema>;

/** Another video would be made without them, and no model here reads them. */
const unread = ["video_reference", "audio_reference", "video", "audio"] as const;
const mostIgnoredNames = 32;

/** How a submission's field is called here. */
const wireNames: Readonly<Record<string, string>> = {
  model_type: "model",
  resolution: "size",
  steps: "num_inference_steps",
  image: "input_reference",
  lora_path: "lora",
  lora_strength: "lora",
  loras: "understudy.loras",
  fallback: "understudy.fallback",
  allow: "understudy.allow",
};

/** What a field of an order is called at this way in. */
export const videoFieldOf = (field: string): string => wireNames[field] ?? field;

export interface VideoAbout {
  readonly catalog: ModelCatalog;
  /** For requests that name no model. */
  readonly lead: ModelId;
  readonly hasImageFile: boolean;
}

export interface AcceptedVideo {
  readonly kind: "video";
  readonly fields: SubmitFields;
  readonly order: Order;
  /** An image that is not a file of the form: its address, as it was given. */
  readonly imageUrl: string | undefined;
  /** Names of fields that have no effect here. */
  readonly ignored: readonly string[];
}
export type ParsedVideo =
  | AcceptedVideo
  | { readonly kind: "address" | "invalid"; readonly param: string; readonly message: string };

/** Where an address, or the bytes themselves, may stand. */
export const imageUrlField = "input_reference[image_url]";

const invalid = (param: string, message: string): ParsedVideo => ({ kind: "invalid", param, message });
const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

/** What came apart from the rest counts like the rest; what stands in both is taken from outside. */
function gather(raw: object): Readonly<Record<string, unknown>> {
  const extra = "extra_params" in raw ? fromJsonText(raw.extra_params) : {};
  return typeof extra === "object" && extra !== null && !Array.isArray(extra) ? { ...extra, ...raw } : { ...raw };
}

function sizeOf({ size, width, height }: VideoRequest): string | undefined {
  return width === undefined || height === undefined ? size : sizeText({ width, height });
}

function toSubmissionFields(request: VideoRequest, { catalog, lead }: VideoAbout): Record<string, unknown> {
  const model = request.model ?? lead;
  const entry = catalog.find(model);
  const fps = request.fps ?? entry?.framesPerSecond;
  const framesOfSeconds =
    request.seconds === undefined || fps === undefined ? undefined : Math.max(1, Math.round(request.seconds * fps));
  return {
    model_type: model,
    prompt: request.prompt,
    resolution: sizeOf(request),
    steps: request.num_inference_steps ?? entry?.defaultSteps,
    num_frames: request.num_frames ?? framesOfSeconds,
    fps,
    seed: request.seed,
    lora_path: request.lora?.path ?? request.lora?.local_path ?? request.lora?.name,
    lora_strength: request.lora?.scale ?? request.lora?.strength ?? undefined,
    loras: request.understudy?.loras,
    fallback: request.understudy?.fallback,
    allow: request.understudy?.allow,
  };
}

/** In the words of this address. */
function renamed(param: string, message: string, hasSeconds: boolean): ParsedVideo {
  const name = param === "num_frames" && hasSeconds ? "seconds" : videoFieldOf(param);
  if (name === "seconds")
    return invalid(name, `seconds asks for too many frames: num_frames ${message.replace(/^num_frames /, "")}.`);
  const sentence = message.replace(/^(Invalid )?(\w+)(?=[ .])/, (text, invalidly = "", word) =>
    word === param ? `${invalidly}${name}` : text,
  );
  return invalid(name, /[.\]]$/.test(sentence) ? sentence : `${sentence}.`);
}

/** `raw` is whatever the body held. Fields that this service does not know are named in `ignored`. */
export function parseVideoRequest(raw: unknown, about: VideoAbout): ParsedVideo {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    return invalid("body", "The body must be an object of fields.");
  const gathered = gather(raw);
  const unreadName = unread.find((name) => isGiven(gathered[name]));
  if (unreadName !== undefined) return invalid(unreadName, `No model of this service reads ${unreadName}.`);
  const parsed = videoRequestSchema.safeParse(gathered);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const param = issue?.path.join(".") ?? "body";
    return invalid(param, `${param} ${issue?.message ?? "is not acceptable"}.`);
  }
  const request = parsed.data;
  if ((request.width === undefined) !== (request.height === undefined))
    return invalid("width", "width and height belong together.");
  const reference = request.input_reference ?? request.image_reference;
  if (isGiven(reference?.file_id))
    return invalid("input_reference.file_id", "This service keeps no files; send the image itself.");
  const url = isGiven(reference?.image_url) ? reference?.image_url : undefined;
  if (url !== undefined && typeof url !== "string")
    return invalid("input_reference.image_url", "input_reference.image_url must be a text.");
  if (url !== undefined && !/^\s*data:/i.test(url))
    return {
      kind: "address",
      param: imageUrlField,
      message: "This service fetches no addresses: send the image as a file, or as a data URL.",
    };
  const submission = parseSubmission(toSubmissionFields(request, about), {
    catalog: about.catalog,
    hasImage: about.hasImageFile || url !== undefined,
  });
  if (submission.kind === "invalid") {
    return renamed(
      submission.param,
      submission.message,
      request.num_frames === undefined && request.seconds !== undefined,
    );
  }
  return {
    kind: "video",
    fields: submission.fields,
    order: { ...toOrder(submission.fields), ...present({ floor: request.understudy?.floor }) },
    imageUrl: url,
    ignored: Object.keys(gathered)
      .filter((name) => !(name in videoRequestSchema.shape) && isGiven(gathered[name]))
      .map((name) => name.slice(0, 64))
      .slice(0, mostIgnoredNames),
  };
}
