/** Which model suits a prompt, for clients whose form leaves that to the service. */
import { z } from "zod";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { needsImage, peakBytes, resolutionsOf } from "../core/model-figures.ts";
import { modelName } from "./model-name.ts";

const alternativeSchema = z.strictObject({ model_type: modelName, confidence: z.number(), reason: z.string() });

export const detectedSchema = z
  .strictObject({
    detected_model_type: modelName,
    /** 0..1 */
    confidence: z.number().min(0).max(1),
    explanation: z.array(z.string()),
    requirements: z.strictObject({
      needs_image: z.boolean(),
      estimated_vram_gb: z.number(),
      resolutions: z.array(z.string()),
    }),
    alternatives: z.array(alternativeSchema),
  })
  .meta({ id: "DetectedModel" });

export interface DetectionFacts {
  readonly catalog: ModelCatalog;
  readonly hasImage: boolean;
  readonly hasEndImage: boolean;
  /** The main model. */
  readonly lead: string;
}

/** From text alone the main model where it can, else one that needs no image; from an image the one that begins at it. */
function chosen({ catalog, hasImage, lead: leadId }: DetectionFacts): {
  readonly model: ModelEntry;
  readonly confidence: number;
  readonly why: string;
} {
  const lead = catalog.entryOf(leadId);
  const takesImages = catalog.entries.find(needsImage);
  if (hasImage && takesImages !== undefined && !needsImage(lead))
    return { model: takesImages, confidence: 0.9, why: "There is an image, and this model begins at one." };
  const fromText = needsImage(lead) && !hasImage ? catalog.entries.find((entry) => !needsImage(entry)) : lead;
  const model = fromText ?? lead;
  const why =
    model === lead ? "This is the main model of this service." : "There is no image, and this model needs none.";
  return { model, confidence: model === lead ? 0.95 : 0.8, why };
}

export function detectModel(facts: DetectionFacts): z.infer<typeof detectedSchema> {
  const { model, confidence, why } = chosen(facts);
  const envelope = { width: 1_280, height: 720, frames: model.defaultFrames };
  const bytes = peakBytes(model, envelope, "model-offload");
  const others = facts.catalog.entries.filter((entry) => entry !== model && (facts.hasImage || !needsImage(entry)));
  return {
    detected_model_type: model.id,
    confidence,
    explanation: [
      why,
      ...(facts.hasEndImage
        ? ["No model of this service ends at an image; the end image is checked and not used."]
        : []),
    ],
    requirements: {
      needs_image: needsImage(model),
      estimated_vram_gb: Number.isFinite(bytes) ? Number((bytes / 1e9).toFixed(1)) : 0,
      resolutions: [...resolutionsOf(model)],
    },
    alternatives: others.map((entry) => ({
      model_type: entry.id,
      confidence: Number(((1 - confidence) / Math.max(1, others.length)).toFixed(2)),
      reason: needsImage(entry) ? "It begins at the image." : "It takes the prompt alone too.",
    })),
  };
}
