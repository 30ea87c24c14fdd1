/**
 * Every setting, once: what people may write, its default, its bounds and why. People write `"30s"` and `"12GiB"`; what
 * comes out is in ms and bytes and says so in its names. Unknown keys are errors.
 */
import { z } from "zod";
import { failureTypes, fallbackConsents, loadProfiles, recoveryActions, reductionKinds } from "../core/words.ts";
import {
  amount,
  decimal,
  duration,
  group,
  listOf,
  live,
  oneOf,
  ratio,
  secret,
  wholeNumber,
  yesOrNo,
} from "./fields.ts";
import { expandWorkers, modelName, rendererSchema, simSchema, workerSchema } from "./worker-settings.ts";

/** Whose cards are measured. */
export const cardChoices = ["auto", "nvidia", "amd", "none"] as const;

export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;

const levels = (warning: string, critical: string, reason: string) =>
  group({
    warning: ratio(warning).describe(`${reason} From here on a warning.`),
    critical: ratio(critical).describe("From here on critical."),
  }).prefault({});

const healthSchema = group({
  cards: oneOf(cardChoices)
    .default("auto")
    .describe(
      "Which real cards are measured: auto takes what is there, unless every worker is simulated; none asks no tool.",
    ),
  nvidiaSmi: z
    .string()
    .min(1)
    .max(4_096)
    .default("nvidia-smi")
    .describe("NVIDIA's tool: a name on the PATH, or a path."),
  sample: duration("5s", { min: "100ms", max: "5m" }).describe("Time between two measurements of host and cards."),
  check: duration("60s", { min: "1s", max: "1h" }).describe(
    "Time between two reported checks; a crossed threshold is reported at once.",
  ),
  cpu: levels("80%", "95%", "Share of the CPU in use; inside a container of its limit."),
  memory: levels("80%", "95%", "Share of the memory in use; inside a container of its limit."),
  pressure: levels("10%", "50%", "Share of the time in which every program of the host waits for memory."),
  vram: levels("90%", "95%", "Share of the card's memory in use beside the known need of the running job and model."),
  temperature: group({
    warning: decimal(83, { min: 30, max: 120 }).describe(
      "Degrees Celsius of the hottest card; current cards slow down at about 87. From here on a warning.",
    ),
    critical: decimal(90, { min: 30, max: 120 }).describe("From here on critical."),
  }).prefault({}),
  inodes: levels("5%", "1%", "Share of the file system's inodes that is free; at or below it."),
  entrySamples: wholeNumber(3, { min: 1, max: 100 }).describe(
    "Samples in a row above a threshold until it counts, so that a spike is no issue.",
  ),
  leaveMargin: ratio("5%").describe("How far a value must fall below a threshold until it counts as left."),
  leaveMarginCelsius: decimal(5, { min: 0, max: 50 }).describe("The same for the temperature."),
}).prefault({});

const diskSchema = group({
  minFree: amount("2GiB", { min: "16MiB", max: "1TiB" }).describe(
    "Below it submissions are refused and nothing is rendered.",
  ),
  warnFree: amount("5GiB", { min: "16MiB", max: "4TiB" }).describe("Below it health shows a warning."),
  ballast: amount("64MiB", { min: "0B", max: "4GiB" }).describe(
    "A file that is given up on a full disk, so that states can still be recorded.",
  ),
})
  .prefault({})
  .transform(({ minFree, warnFree, ballast }) => ({
    minFreeBytes: minFree,
    warnFreeBytes: warnFree,
    ballastBytes: ballast,
  }));

const limitsSchema = group({
  perSecond: decimal(200, { min: 0.1, max: 1_000_000 }).describe(
    "Requests a second that one caller may make; above it the answer is 429.",
  ),
  burst: wholeNumber(2_000, { min: 1, max: 10_000_000 }).describe("Requests that may come at once after a quiet time."),
}).prefault({});

const queueSchema = group({
  maxJobs: live(
    wholeNumber(1_000, { min: 1, max: 1_000_000 }).describe(
      "Queued jobs at most; further submissions are answered 429.",
    ),
  ),
  maxJobsPerKey: live(
    wholeNumber(1_000, { min: 1, max: 1_000_000 }).describe("Queued jobs of one key at most; the same answer."),
  ),
  deadline: live(
    duration("24h", { min: "1s", max: "7d" }).describe(
      "Past it a job without a result fails, unless the request names its own.",
    ),
  ),
  quarantineDeaths: wholeNumber(2, { min: 1, max: 100 }).describe("Workers that a job may end before it is set aside."),
  hostLosses: wholeNumber(5, { min: 1, max: 100_000 }).describe(
    "Workers that may die under a job through no fault of its own until it fails.",
  ),
  attempts: wholeNumber(8, { min: 1, max: 1_000 }).describe(
    "Tries of a job that end in a retryable error until it fails.",
  ),
})
  .prefault({})
  .transform((queue) => ({
    maxJobCount: queue.maxJobs,
    maxJobsPerKeyCount: queue.maxJobsPerKey,
    deadlineMs: queue.deadline,
    quarantineDeathCount: queue.quarantineDeaths,
    hostLossCount: queue.hostLosses,
    attemptCount: queue.attempts,
  }));

const stopSchema = group({
  request: duration("30s", { min: "100ms", max: "10m" }).describe(
    "How long a worker that is asked to end may take, its checkpoint included.",
  ),
  term: duration("10s", { min: "100ms", max: "10m" }).describe("How long it may take after SIGTERM, before SIGKILL."),
  kill: duration("5s", { min: "100ms", max: "10m" }).describe(
    "How long the kernel may take to remove it after SIGKILL.",
  ),
  drain: live(
    duration("0s", { min: "0s", max: "24h" }).describe(
      "On SIGTERM jobs in hand may end for so long, while no other is taken; 0s gives them back at once, and the next start goes on.",
    ),
  ),
})
  .prefault({})
  .transform(({ request, term, kill, drain }) => ({ requestMs: request, termMs: term, killMs: kill, drainMs: drain }));

const supervisionSchema = group({
  silence: duration("10s", { min: "500ms", max: "10m" }).describe(
    "Without a heartbeat for so long a worker is stopped and restarted.",
  ),
  loadingSilence: duration("60s", { min: "500ms", max: "1h" }).describe("The same while it loads a model."),
  stillness: duration("5m", { min: "1s", max: "1h" }).describe(
    "A worker without a job whose main thread does nothing for so long is stopped and restarted, although its heartbeats go on.",
  ),
  handshake: duration("2m", { min: "1s", max: "1h" }).describe(
    "How long a new worker may take until it answers; a Python worker imports gigabytes first, which a slow disk or a busy host draws out.",
  ),
  crashLoopDeaths: wholeNumber(5, { min: 2, max: 100_000 }).describe(
    "Deaths within the window until a worker is not restarted by itself any more.",
  ),
  crashLoopWindow: duration("10m", { min: "1s", max: "24h" }).describe("The window of crashLoopDeaths."),
  backoffLongest: duration("60s", { min: "1s", max: "1h" }).describe(
    "A worker that died is started again after 1, 2, 4 ... seconds, at most after this.",
  ),
  checkpoint: duration("30s", { min: "1ms", max: "1h" }).describe(
    "At most so much of a render's work is lost with its worker, or one step where a step takes longer.",
  ),
  idleUnload: live(
    duration("0s", { min: "0s", max: "30d" }).describe(
      "After so long without a job the workers end and give their cards back; the next job starts them. 0s keeps them.",
    ),
  ),
})
  .prefault({})
  .transform((supervision) => ({
    silenceMs: supervision.silence,
    loadingSilenceMs: supervision.loadingSilence,
    stillnessMs: supervision.stillness,
    handshakeMs: supervision.handshake,
    crashLoopDeathCount: supervision.crashLoopDeaths,
    crashLoopWindowMs: supervision.crashLoopWindow,
    backoffLongestMs: supervision.backoffLongest,
    checkpointMs: supervision.checkpoint,
    idleUnloadMs: supervision.idleUnload,
  }));

const recoverySchema = group({
  ladders: z
    .partialRecord(oneOf(failureTypes), z.array(oneOf(recoveryActions)).max(20))
    .default({})
    .describe("Ladders that replace the built-in ones, by failure type; each must end in fallback_to_mock."),
  cooldown: duration("30s", { min: "0s", max: "1h" }).describe(
    "After a climb; a fault within it starts no new one, its job takes the fallback.",
  ),
  climbs: wholeNumber(3, { min: 1, max: 20 }).describe("Climbs in one incident until only probes look back."),
  budgetActions: wholeNumber(10, { min: 1, max: 100_000 }).describe(
    "Heavy actions (start, reload, download) within the window.",
  ),
  budgetWindow: duration("1h", { min: "1m", max: "24h" }).describe("The window of budgetActions."),
  lookBackFirst: duration("30s", { min: "100ms", max: "1h" }).describe(
    "First wait before a test render looks whether the main model can return; doubles.",
  ),
  lookBackLongest: duration("10m", { min: "100ms", max: "24h" }).describe("Longest such wait."),
  breakerFaults: wholeNumber(3, { min: 1, max: 100 }).describe("Faults in a row until a worker is given no more jobs."),
  breakerFirst: duration("60s", { min: "100ms", max: "1h" }).describe("How long it is left alone first; doubles."),
  breakerLongest: duration("10m", { min: "100ms", max: "24h" }).describe("How long at most."),
})
  .prefault({})
  .transform((recovery) => ({
    ladders: recovery.ladders,
    cooldownMs: recovery.cooldown,
    climbCount: recovery.climbs,
    budget: { heavyActionCount: recovery.budgetActions, windowMs: recovery.budgetWindow },
    lookBack: { firstMs: recovery.lookBackFirst, longestMs: recovery.lookBackLongest },
    breaker: {
      faultCount: recovery.breakerFaults,
      firstOpenMs: recovery.breakerFirst,
      longestOpenMs: recovery.breakerLongest,
    },
  }));

const retentionSchema = group({
  results: live(
    duration("30d", { min: "1m", max: "3650d" }).describe("Age at which a result and its job are deleted."),
  ),
  resultsSize: live(
    amount("50GiB", { min: "1MiB", max: "1024TiB" }).describe("Bytes of results at most; the oldest go first."),
  ),
  standIns: live(duration("7d", { min: "1m", max: "3650d" }).describe("Age at which a stand-in is deleted.")),
  events: live(duration("30d", { min: "1m", max: "3650d" }).describe("Age at which an event is deleted.")),
  leftovers: live(
    duration("1h", { min: "1m", max: "30d" }).describe("Age at which a file that no job names is deleted."),
  ),
  every: duration("1h", { min: "1s", max: "24h" }).describe("Time between two such cleanings."),
})
  .prefault({})
  .transform((retention) => ({
    resultMaxAgeMs: retention.results,
    resultMaxBytes: retention.resultsSize,
    standInMaxAgeMs: retention.standIns,
    eventMaxAgeMs: retention.events,
    orphanMinAgeMs: retention.leftovers,
    everyMs: retention.every,
  }));

const floorSchema = group({
  width: wholeNumber(854, { min: 16, max: 7_680 }),
  height: wholeNumber(480, { min: 16, max: 7_680 }),
  frames: wholeNumber(33, { min: 1, max: 1_000 }),
});

const consentSchema = (allowed: readonly (typeof reductionKinds)[number][]) =>
  group({
    fallback: live(
      oneOf(fallbackConsents)
        .default("stand_in_then_real")
        .describe("What a job gets while no worker can give real output, unless it says so itself."),
    ),
    allow: live(
      listOf(oneOf(reductionKinds))
        .prefault([...allowed])
        .describe("What may be reduced when memory does not suffice."),
    ),
    floor: live(
      floorSchema.nullable().prefault({ width: 854, height: 480, frames: 33 }).describe("How far; null for no floor."),
    ),
  }).prefault({});

const standInSchema = group({
  after: live(
    duration("2s", { min: "0s", max: "1h" }).describe(
      "How long a job waits for a usable worker before its stand-in is made.",
    ),
  ),
})
  .prefault({})
  .transform(({ after }) => ({ afterMs: after }));

/** A name, an address, or a network such as 10.1.0.0/16. */
const listedHost = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.string().regex(/^(?!\d+(\.\d+)*$)[A-Za-z0-9.-]{1,253}$/)],
  {
    error: "must be a host name, an address or a network such as 10.1.0.0/16",
  },
);

const webhookSchema = group({
  secret: secret(
    z
      .string()
      .min(24, "must have at least 24 characters")
      .max(512)
      .nullable()
      .default(null)
      .describe(
        "Key of the signatures; only from the environment, or from a file that it names. Without it no job may have a webhook.",
      ),
  ),
  allow: live(
    listOf(listedHost)
      .prefault([])
      .describe("Names, addresses and networks (10.1.0.0/16) that webhooks may have although they are not public."),
  ),
  tries: live(
    wholeNumber(12, { min: 1, max: 1_000 }).describe("Tries of one delivery until it is given up; the job shows it."),
  ),
  retryFirst: live(duration("5s", { min: "100ms", max: "1h" }).describe("Wait after its first failure; doubles.")),
  retryLongest: live(duration("1h", { min: "100ms", max: "24h" }).describe("Longest such wait.")),
  answer: live(
    duration("10s", { min: "100ms", max: "5m" }).describe(
      "How long a receiver may take, looking its name up included.",
    ),
  ),
})
  .prefault({})
  .transform(({ allow, tries, retryFirst, retryLongest, answer, ...rest }) => ({
    ...rest,
    allow,
    tryCount: tries,
    retryFirstMs: retryFirst,
    retryLongestMs: retryLongest,
    answerMs: answer,
  }));

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
    "For requests of the seed's routes that say nothing about it.",
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
export type WorkerConfig = Config["workers"][number];
