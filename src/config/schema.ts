/**
 * Every setting, once: what people may write, its default, its bounds and why. People write `"30s"` and `"12GiB"`; what
 * comes out is in ms and bytes and says so in its names. Unknown keys are errors.
 */
import { z } from "zod";
import { loadProfiles } from "../core/words.ts";
import { amount, decimal, duration, group, listOf, live, oneOf, secret, wholeNumber, yesOrNo } from "./fields.ts";
import { diskSchema, healthSchema } from "./health-settings.ts";
import { consentSchema, queueSchema, retentionSchema, standInSchema } from "./job-settings.ts";
import { recoverySchema, stopSchema, supervisionSchema } from "./supervision-settings.ts";
import { webhookSchema } from "./webhook-settings.ts";
import { expandWorkers, modelName, rendererSchema, simSchema, workerSchema } from "./worker-settings.ts";

const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;

const limitsSchema = group({
  perSecond: decimal(200, { min: 0.1, max: 1_000_000 }).describe(
    "Requests a second that one caller may make; above it the answer is 429.",
  ),
  burst: wholeNumber(2_000, { min: 1, max: 10_000_000 }).describe("Requests that may come at once after a quiet time."),
}).prefault({});

const modelsSchema = group({
  registry: z
    .string()
    .min(1)
    .max(4_096)
    .nullable()
    .default(null)
    .describe("JSON file that describes further models; docs/models.md."),
  connections: wholeNumber(8, { min: 1, max: 64 }).describe("Connections to the hub that one download uses at once."),
  stall: duration("30s", { min: "100ms", max: "10m" }).describe(
    "Without a byte for so long a connection is given up and opened again.",
  ),
  loraDir: z
    .string()
    .min(1)
    .max(4_096)
    .nullable()
    .default(null)
    .describe("Folder of LoRA files (.safetensors); without it a job with a LoRA is refused."),
  margin: amount("2GiB", { min: "0B", max: "1024TiB" }).describe(
    "Room that a download must leave on the disk, or it does not begin.",
  ),
})
  .prefault({})
  .transform((models) => ({
    registryPath: models.registry,
    loraDir: models.loraDir,
    connectionCount: models.connections,
    stallMs: models.stall,
    marginBytes: models.margin,
  }));

/** What people may write; `configSchema` turns it into what the program reads. */
export const settingsSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .max(255)
    .default("127.0.0.1")
    .describe("Address to listen on; one that others can reach needs a key."),
  port: wholeNumber(9000, { min: 0, max: 65_535 }).describe("Port to listen on; 0 takes a free one."),
  stateDir: z
    .string()
    .min(1, "must name a directory")
    .refine((path) => !/^\/(?:proc|sys)(?:\/|$)/.test(path), "must not lie in the kernel's own file systems")
    .describe("Directory of the database, videos and run files; one supervisor at a time."),
  apiKey: secret(
    z
      .string()
      .min(16, "must have at least 16 characters")
      .max(512)
      .nullable()
      .default(null)
      .describe("Secret that clients send as Bearer token; only from the environment, or from a file that it names."),
  ),
  insecure: yesOrNo(false).describe("Lets everybody who reaches the address do everything, without any key."),
  limits: limitsSchema,
  allowedHosts: listOf(z.string().min(1).max(255))
    .prefault([])
    .describe("Further host names under which clients reach this service."),
  allowedOrigins: listOf(z.url({ protocol: /^https?$/, error: "must be an origin such as https://example.org" }))
    .prefault([])
    .describe("Web pages of other origins that may call this service."),
  logLevel: live(oneOf(logLevels).default("warn").describe("JSON lines on stderr; info has one line a transition.")),
  lead: modelName.default("T2V-A14B").describe("The main model: what the mode and the test render are about."),
  alternative: z
    .preprocess((value) => (value === "none" ? null : value), modelName.nullable())
    .prefault("TI2V-5B")
    .describe('The model that may take over with a job\'s consent; "none" for no other.'),
  loadProfile: oneOf(loadProfiles)
    .default("model-offload")
    .describe("How models are placed on the card at first; leaner ones follow when memory does not suffice."),
  workers: z
    .array(workerSchema, { error: "must be a list" })
    .min(1, "must name at least one worker")
    .max(16, "must name at most 16 workers")
    .prefault([{ id: "worker-0" }])
    .describe("One entry per supervised worker."),
  sim: simSchema,
  renderer: rendererSchema,
  keepWorkers: yesOrNo(false).describe(
    "On SIGTERM renders go on, and the next start on the state directory takes them up.",
  ),
  inspect: yesOrNo(false).describe(
    "A WebSocket at /inspect feeds the Stately Inspector; only operators on this machine can open it.",
  ),
  lease: duration("30s", { min: "1s", max: "10m" }).describe(
    "How long a silent supervisor keeps the right to a job; renewed at a third of it.",
  ),
  health: healthSchema,
  disk: diskSchema,
  queue: queueSchema,
  stop: stopSchema,
  supervision: supervisionSchema,
  recovery: recoverySchema,
  standIn: standInSchema,
  retention: retentionSchema,
  models: modelsSchema,
  webhook: webhookSchema,
  consent: consentSchema(["frames", "resolution"]).describe(
    "For requests of the compatible routes that say nothing about it.",
  ),
  ownConsent: consentSchema([]).describe("The same for requests of our own and of the OpenAI-compatible routes."),
});

/** A relation between two fields that must hold; the path names the smallest group that holds both. */
function listContradictions(
  settings: z.output<typeof settingsSchema>,
): readonly { readonly path: readonly string[]; readonly message: string }[] {
  const { health, disk, recovery, webhook, workers, lead, alternative } = settings;
  const ids = expandWorkers(workers, settings.sim.gpus).map((worker) => worker.id);
  const rules: readonly (readonly [boolean, string, string])[] = [
    ...(["cpu", "memory", "pressure", "vram", "temperature"] as const).map(
      (name) =>
        [
          health[name].warning <= health[name].critical,
          `health.${name}`,
          "must not have its critical level below its warning",
        ] as const,
    ),
    [
      health.inodes.warning >= health.inodes.critical,
      "health.inodes",
      "must not have its critical level above its warning",
    ],
    [disk.warnFreeBytes >= disk.minFreeBytes, "disk", "must not have warnFree below minFree"],
    [
      recovery.lookBack.firstMs <= recovery.lookBack.longestMs,
      "recovery",
      "must not have lookBackLongest below lookBackFirst",
    ],
    [webhook.retryFirstMs <= webhook.retryLongestMs, "webhook", "must not have retryLongest below retryFirst"],
    [
      recovery.breaker.firstOpenMs <= recovery.breaker.longestOpenMs,
      "recovery",
      "must not have breakerLongest below breakerFirst",
    ],
    ...(["download", "load"] as const).map(
      (what) =>
        [
          recovery.retries[`${what}s`].firstMs <= recovery.retries[`${what}s`].longestMs,
          "recovery.retries",
          `must not have ${what}Longest below ${what}First`,
        ] as const,
    ),
    [new Set(ids).size === ids.length, "workers", "must have different ids"],
    [
      workers.every((worker) => ((settings.renderer.kind ?? worker.kind) === "own") === worker.command.length > 0),
      "workers",
      "must have a command exactly where the kind is own",
    ],
    [
      workers.some((worker) => worker.models.includes(lead)),
      "lead",
      `must be a model of a worker, and none has ${lead}`,
    ],
    [
      !(settings.keepWorkers && settings.stop.drainMs > 0),
      "stop.drain",
      "must be 0s with keepWorkers, because renders go on anyway",
    ],
    [alternative !== lead, "alternative", "must be another model than lead"],
  ];
  return rules.filter(([holds]) => !holds).map(([, path, message]) => ({ path: path.split("."), message }));
}

export const configSchema = settingsSchema
  .superRefine((settings, context) => {
    for (const { path, message } of listContradictions(settings))
      context.addIssue({ code: "custom", path: [...path], message });
  })
  .transform(({ insecure, limits, keepWorkers, lease, health, disk, sim, renderer, workers, ...rest }) => ({
    ...rest,
    workers: expandWorkers(workers, sim.gpus).map((worker) => ({
      ...worker,
      gpu: sim.gpu ?? worker.gpu,
      speed: sim.speed ?? worker.speed,
      fault: sim.fault ?? worker.fault,
      kind: renderer.kind ?? worker.kind,
      python: renderer.python ?? worker.python,
      device: renderer.device ?? worker.device,
    })),
    isInsecure: insecure,
    rateLimit: { perSecond: limits.perSecond, burstCount: limits.burst },
    isKeepingWorkers: keepWorkers,
    leaseMs: lease,
    disk: { minFreeBytes: disk.minFreeBytes, ballastBytes: disk.ballastBytes },
    health: {
      cards: health.cards,
      nvidiaSmi: health.nvidiaSmi,
      sampleEveryMs: health.sample,
      checkEveryMs: health.check,
      /** The shape that recovery/health.ts judges by. */
      thresholds: {
        cpuRatio: health.cpu,
        memoryRatio: health.memory,
        pressureRatio: health.pressure,
        vramRatio: health.vram,
        temperatureCelsius: health.temperature,
        inodesFreeRatio: health.inodes,
        diskFreeBytes: { warning: disk.warnFreeBytes, critical: disk.minFreeBytes },
        entrySampleCount: health.entrySamples,
        leaveMarginRatio: health.leaveMargin,
        leaveMarginCelsius: health.leaveMarginCelsius,
      },
    },
  }));

/** What the program reads: ms, bytes and ratios, everything decided. */
export type Config = Readonly<z.output<typeof configSchema>>;
