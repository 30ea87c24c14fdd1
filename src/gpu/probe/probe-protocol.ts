/** What supervisor and `gpu-probe` say to each other: one JSON object a line on the child's standard streams. */
import { z } from "zod";

const nullable = <Item extends z.ZodType>(item: Item) => item.nullable();
const number = nullable(z.number());

const detailsSchema = z.strictObject({
  busId: nullable(z.string()),
  driverVersion: nullable(z.string()),
  reservedBytes: number,
  memoryTemperatureCelsius: number,
  thermalMarginCelsius: number,
  throttleMask: number,
  powerWatts: number,
  powerLimitWatts: number,
  uncorrectedEccCount: number,
  isRemapPending: nullable(z.boolean()),
  hasRemapFailed: nullable(z.boolean()),
  recoveryAction: nullable(z.string()),
  isMigEnabled: nullable(z.boolean()),
  isComputeExclusive: nullable(z.boolean()),
  parentUuid: nullable(z.string()),
  sharesHostMemory: z.boolean(),
  holders: nullable(z.array(z.strictObject({ pid: z.number().int(), usedBytes: number }))),
});

const cardSchema = z.strictObject({
  uuid: z.string(),
  name: z.string(),
  totalBytes: number,
  usedBytes: number,
  utilizationRatio: number,
  temperatureCelsius: number,
  unavailable: z.record(z.string(), z.string()),
  details: detailsSchema,
});
export type Card = z.infer<typeof cardSchema>;

/** Why there is no measurement. `isDecided`: tool or driver gave a verdict; otherwise nobody knows. */
const troubleSchema = z.strictObject({
  kind: z.enum([
    "toolMissing",
    "toolVanished",
    "toolHung",
    "toolFailed",
    "driverNotLoaded",
    "driverMismatch",
    "libraryMissing",
    "gpuLost",
    "noDevices",
    "noPermission",
  ]),
  isDecided: z.boolean(),
  reason: z.string(),
  smiExitCode: z.number().int().optional(),
  nvmlCode: z.number().int().optional(),
});
export type Trouble = z.infer<typeof troubleSchema>;

export const probeMessageSchema = z.discriminatedUnion("kind", [
  /** The machine has neither card nor tool; the child ends after saying so. */
  z.strictObject({ kind: z.literal("absent"), reason: z.string() }),
  /** `missingCount`: cards that were listed before and are not any more. */
  z.strictObject({
    kind: z.literal("cards"),
    gpuKind: z.enum(["nvidia", "amd"]),
    cards: z.array(cardSchema),
    missingCount: z.number().int().nonnegative(),
  }),
  z.strictObject({ kind: z.literal("trouble"), gpuKind: z.enum(["nvidia", "amd"]), trouble: troubleSchema }),
  /** Every look ends with this message: what it measured, if it could, was said before. */
  z.strictObject({ kind: z.literal("looked") }),
  /** New lines of the kernel's log that speak of cards or of killed processes, with their age. */
  z.strictObject({
    kind: z.literal("kernel"),
    lines: z.array(z.strictObject({ ageMs: z.number(), text: z.string() })),
  }),
]);
export type ProbeMessage = z.infer<typeof probeMessageSchema>;

/** The only request: `look` asks for a measurement at once. */
export const probeRequestSchema = z.strictObject({ kind: z.literal("look") });

export const probeOptionsSchema = z.strictObject({
  /** Path or name of the tool; null = do not look for cards of this maker. */
  nvidiaSmi: z.string().nullable(),
  /** Where sysfs is mounted; null = do not look for cards of AMD. */
  sysfs: z.string().nullable(),
  kernelLog: z.string().nullable(),
  everyMs: z.number().positive(),
  /** How long a single call of the tool may take. */
  answerWithinMs: z.number().positive(),
  backOffFirstMs: z.number().positive(),
  backOffLongestMs: z.number().positive(),
});
export type ProbeOptions = z.infer<typeof probeOptionsSchema>;

/** A source of cards that measures and speaks until it is stopped. */
export interface CardSource {
  /** Resolves with the reason when there is nothing to measure; otherwise when it was stopped. */
  run(): Promise<{ readonly absent: string } | null>;
  /** Measures at once, unless it is just about to; a second look joins the first. */
  look(): Promise<void>;
}
