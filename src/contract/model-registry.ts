/** The registry file: which models there are, where their files come from, and what they need. People write it. */
import { z } from "zod";
import { parseBytes } from "../core/units.ts";
import { loadProfiles } from "../core/words.ts";

const bytes = z.string({ error: 'must be a size with its unit, such as "27.2GB"' }).transform((text, context) => {
  const value = parseBytes(text);
  if (value !== undefined) return value;
  context.addIssue({ code: "custom", message: 'must be a size with its unit, such as "27.2GB"' });
  return z.NEVER;
});

const count = z.int().min(1).max(1_000_000);

export const repositoryPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

const modelNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

/** Peak memory of a load profile: base + perToken × tokens. Measurements replace these first guesses. */
const memoryPriorSchema = z.strictObject({
  base: bytes.describe("Memory without any latent."),
  perToken: bytes.describe("Memory of each latent token."),
});

const sizeText = z.string().regex(/^\d{1,4}x\d{1,4}$/, 'must be written like "832x480"');

/** How long a clip took somebody, in model-offload; this machine's own clips replace it. */
const measurementSchema = z.strictObject({
  card: z.string().min(1).max(100).describe("Words of the driver's name of the card, such as RTX 4090."),
  size: sizeText,
  frames: count,
  steps: count,
  seconds: z.number().positive(),
  by: z.string().min(1).max(200).describe("Who measured it."),
});

const dtype = z.enum(["float32", "bfloat16", "float16"]);

/** What the pipeline is asked for at every render; nothing of it is left to a default of the library. */
const renderSchema = z
  .strictObject({
    guidanceScale: z.number().min(1),
    guidanceScale2: z.number().min(1).optional().describe("Of the low-noise expert."),
    boundaryRatio: z
      .number()
      .gt(0)
      .lt(1)
      .optional()
      .describe("Share of the noise below which the second expert takes over."),
    flowShift: z.number().positive().optional().describe("Replaces the shift that the files name."),
    negativePrompt: z.string().default(""),
    maxSequenceLength: count.default(512),
    dtype: dtype.default("bfloat16"),
    vaeDtype: dtype.default("float32"),
    leanAttention: z
      .string()
      .optional()
      .describe("Attention backend of diffusers that takes less memory; without it PyTorch's own stays."),
    arguments: z
      .record(z.string().regex(/^[a-z][a-z0-9_]*$/), z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .default({})
      .describe("Further arguments of the pipeline's call, by diffusers' own names."),
    mostFrames: count.default(257),
    largestPixels: count.default(1_920 * 1_088).describe("Width × height at most."),
  })
  .describe("What is asked of the pipeline.");

const fields = z.strictObject({
  repository: z
    .string()
    .regex(repositoryPattern, "must be org/name")
    .optional()
    .describe("Repository on the hub. An entry has this or a folder."),
  folder: z
    .string()
    .startsWith("/", "must be an absolute path")
    .optional()
    .describe("Local folder in the layout of diffusers; nothing is downloaded."),
  revision: z
    .string()
    .min(1)
    .max(255)
    .default("main")
    .describe("Branch, tag or commit; resolved to a commit at each pull."),
  files: z
    .array(z.string().min(1))
    .min(1)
    .default(["*"])
    .describe(
      "Patterns of wanted paths; * matches slashes too. Weights are taken as safetensors only, whatever matches.",
    ),
  pipelineClass: z
    .string()
    .min(1)
    .describe(
      "Class of diffusers that loads it, such as WanPipeline; any video pipeline that tells its steps; none for a worker of your own.",
    ),
  image: z.enum(["none", "optional", "required"]).default("none").describe("Whether a video begins from an image."),
  imagePipelineClass: z
    .string()
    .min(1)
    .optional()
    .describe("Class that begins from an image with the same parts, where the image is optional."),
  sizes: z
    .strictObject({
      step: count.describe("Width and height are multiples of it."),
      cell: count.describe("Pixels of one latent cell's side."),
      further: z.array(sizeText).default([]).describe("Sizes that are offered beside the common ones."),
    })
    .describe("Legal sizes."),
  frames: z
    .strictObject({ step: count, offset: z.int().min(0) })
    .default({ step: 4, offset: 1 })
    .describe("Legal counts: step × k + offset."),
  defaults: z.strictObject({ frames: count, steps: count, framesPerSecond: count }),
  weights: bytes.describe("Size of all weights; loads keep so much on the card in the profile full."),
  measured: z
    .array(measurementSchema)
    .max(200)
    .default([])
    .describe("How long a clip takes, by who measured it on which card."),
  render: renderSchema,
  profiles: z
    .partialRecord(z.enum(loadProfiles), memoryPriorSchema)
    .describe("Load profiles that the model can be placed in."),
});

const modelEntrySchema = fields
  .refine((entry) => (entry.repository === undefined) !== (entry.folder === undefined), {
    error: "must have either a repository or a folder",
  })
  .refine((entry) => (entry.image === "optional") === (entry.imagePipelineClass !== undefined), {
    error: "must name an imagePipelineClass exactly where the image is optional",
  });

export const modelRegistrySchema = z.strictObject({
  models: z.record(
    z.string().regex(modelNamePattern, "must be letters, digits, dots, hyphens and underscores"),
    modelEntrySchema,
  ),
});

/** One model of the file, as it was read. */
export type RegistryEntry = Readonly<z.output<typeof modelEntrySchema>>;
