/** What a worker can be held to beyond the protocol's core. Its author writes it down; `understudy worker check` reads it. */
import { z } from "zod";
import { loadProfiles } from "../core/words.ts";
import { modelName } from "./model-name.ts";

const environment = z.record(z.string(), z.string());

/** How a worker is made to fail on purpose: by its environment, by a `fault/inject` card, or by words in the prompt. */
const provocationSchema = z.discriminatedUnion("by", [
  z.strictObject({ by: z.literal("environment"), env: environment }),
  z.strictObject({ by: z.literal("card"), card: z.string() }),
  z.strictObject({ by: z.literal("prompt"), words: z.string() }),
]);
export type Provocation = z.infer<typeof provocationSchema>;

/** A promise that is left out makes the checks that need it `unsupported`, which is neither a pass nor a failure. */
const workerPromisesSchema = z.strictObject({
  checkpointEverySteps: z
    .int()
    .min(1)
    .optional()
    .describe("Writes a checkpoint at least every so many steps of the long render."),
  checkpointAtEnd: z
    .literal(true)
    .optional()
    .describe("Makes a checkpoint on `shutdown` and on SIGTERM before it ends."),
  clearsCache: z.literal(true).optional().describe("Offers the action `clear_gpu_cache`."),
  countsWeights: z.literal(true).optional().describe("Tells the weights of the loaded model as allocated memory."),
  deviceFile: z
    .literal(true)
    .optional()
    .describe("Writes `<pid>.json` with its device's memory into the device directory."),
  leanerProfile: z
    .enum(loadProfiles)
    .optional()
    .describe("A profile that needs less memory when idle than the one checked."),
  outOfMemory: provocationSchema.optional().describe("The denoise phase runs out of memory."),
  poisonedContext: provocationSchema
    .optional()
    .describe("The device's context is lost in the denoise phase: told, then exit code 75."),
  blockedMainThread: provocationSchema
    .optional()
    .describe("The main thread stops turning in the denoise phase and never goes on."),
  badConfiguration: environment.optional().describe("An environment that it refuses with exit code 78."),
  orphanVariable: z
    .string()
    .optional()
    .describe(
      "The variable that says after how many ms without any connection it ends by itself, once a render in hand is done.",
    ),
});
export type WorkerPromises = z.infer<typeof workerPromisesSchema>;
export type PromiseName = keyof WorkerPromises;

const seconds = z.number().positive().max(86_400);

/** The file of `understudy worker check --promises FILE`. */
export const promiseFileSchema = z.strictObject({
  model: modelName.optional().describe("What is loaded; the worker's first model without it."),
  profile: z.enum(loadProfiles).optional().describe("How; the worker's first profile without it."),
  width: z.int().min(16).default(128),
  height: z.int().min(16).default(64),
  frames: z.int().min(2).default(9),
  steps: z
    .int()
    .min(4)
    .default(8)
    .describe("Of the short render; the long one is made long enough to be met in its middle."),
  image: z.string().optional().describe("A picture that the worker's videos begin from: its path."),
  startSeconds: seconds.default(120).describe("From its start to its handshake."),
  loadSeconds: seconds.default(600),
  renderSeconds: seconds.default(600).describe("Of the short render, or of the long one."),
  stepSeconds: seconds.default(60).describe("Of one denoise step, the worst one."),
  promises: workerPromisesSchema.prefault({}),
});
export type PromiseFile = z.output<typeof promiseFileSchema>;
