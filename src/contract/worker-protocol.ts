/**
 * The worker protocol, version 1: JSON-RPC 2.0 with LSP framing over a Unix socket. snake_case on the wire.
 * The worker listens; the supervisor connects and calls `initialize` first. A new connection with the right token
 * replaces the old one. Every worker passes the checks of src/workers/conformance.
 */
import { z } from "zod";
import { loadProfiles, loraExperts, phases, recoveryActions } from "../core/words.ts";
import { modelName } from "./model-name.ts";

export const protocolVersion = 1;
/** "Context poisoned, restart me." */
export const exitCodePoisoned = 75;
/** "My configuration is wrong." */
export const exitCodeConfiguration = 78;

const count = z.number().int().nonnegative();
const bytes = z.number().nonnegative();

const memorySchema = z.object({
  total_bytes: bytes,
  allocated_bytes: bytes,
  reserved_bytes: bytes,
  free_bytes: bytes,
  peak_bytes: bytes,
});
export const failureSchema = z.object({
  phase: z.enum([...phases, "load", "idle"]),
  step: count.nullable(),
  exception_type: z.string(),
  message: z.string(),
  causes: z.array(z.string()),
  device_usable: z.boolean().nullable(),
  memory: memorySchema.nullable(),
});
const requestSchema = z.object({
  model: modelName,
  prompt: z.string(),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  frames: z.number().int().positive(),
  frames_per_second: z.number().positive(),
  steps: z.number().int().positive(),
  seed: count,
  lora_path: z.string().nullable(),
  lora_strength: z.number(),
  /** More LoRAs, by their names below the worker's directory. */
  loras: z
    .array(z.object({ name: z.string(), strength: z.number(), expert: z.enum(loraExperts).optional() }))
    .optional(),
  /** The picture that the video begins from: an absolute path that the worker can read. */
  image_path: z.string().optional(),
});
const reportSchema = z.object({
  job_id: z.string(),
  fence: count,
  output_path: z.string(),
  frames: count,
  rendered_width: count,
  rendered_height: count,
  steps_rendered: count,
  resumed_from_step: count,
  render_ms: z.number().nonnegative(),
  peak_bytes: bytes,
  /** Allocated once the device was free of the job and nothing else had begun: what stays beside the model is a leak. */
  held_bytes: bytes,
});

/** Requests: method → params and result. */
export const methods = {
  initialize: {
    params: z.object({ protocol: z.number().int(), token: z.string() }),
    result: z.object({
      protocol: z.number().int(),
      pid: z.number().int(),
      kind: z.string(),
      simulated: z.boolean(),
      /** It takes the test cards of drills, in prompts and by `fault/inject`. */
      plays_faults: z.boolean().optional(),
      device: z.object({ uuid: z.string(), name: z.string(), total_bytes: bytes }),
      models: z.array(modelName),
      profiles: z.array(z.enum(loadProfiles)),
      actions: z.array(z.enum(recoveryActions)),
      phases: z.array(z.enum(phases)),
    }),
  },
  "model/load": {
    params: z.object({ model: modelName, profile: z.enum(loadProfiles) }),
    result: z.object({ memory: memorySchema, took_ms: z.number() }),
  },
  "model/unload": { params: z.object({}), result: z.object({ memory: memorySchema }) },
  generate: {
    params: z.object({
      job_id: z.string(),
      fence: count,
      request: requestSchema,
      workflow: z.string().nullable(),
      output_path: z.string(),
      checkpoint_dir: z.string(),
    }),
    result: z.object({ accepted: z.literal(true) }),
  },
  attach: {
    params: z.object({}),
    result: z.object({
      job_id: z.string().nullable(),
      fence: count.nullable(),
      phase: z.enum(phases).nullable(),
      step: count.nullable(),
      of: count.nullable(),
      result: reportSchema.nullable(),
      failure: failureSchema.nullable(),
      resident_model: modelName.nullable(),
      profile: z.enum(loadProfiles).nullable(),
      /** How long nothing of the render in hand has moved; a new supervisor cannot know. */
      standstill_ms: z.number().nonnegative().optional(),
    }),
  },
  "job/ack": { params: z.object({ job_id: z.string(), fence: count }), result: z.object({}) },
  /** Answers once the device is free of the job. */
  cancel: { params: z.object({ job_id: z.string(), fence: count }), result: z.object({}) },
  "action/run": {
    params: z.object({ action: z.enum(recoveryActions), profile: z.enum(loadProfiles).optional() }),
    result: z.object({ applied: z.array(z.string()), before: memorySchema, after: memorySchema }),
  },
  probe: {
    params: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("alive") }),
      z.object({ kind: z.literal("canary"), model: modelName }),
      z.object({ kind: z.literal("phase"), phase: z.enum(phases), request: requestSchema, checkpoint_dir: z.string() }),
    ]),
    result: z.object({
      passed: z.boolean(),
      experts_used: count,
      took_ms: z.number(),
      failure: failureSchema.nullable(),
    }),
  },
  stats: {
    params: z.object({}),
    result: z.object({
      memory: memorySchema,
      resident_model: modelName.nullable(),
      profile: z.enum(loadProfiles).nullable(),
      jobs_done: count,
    }),
  },
  shutdown: { params: z.object({ reason: z.string() }), result: z.object({}) },
  /** For workers that play faults. */
  "fault/inject": { params: z.object({ card: z.string() }), result: z.object({}) },
} as const;

export type MethodName = keyof typeof methods;
export type ParamsOf<M extends MethodName> = z.infer<(typeof methods)[M]["params"]>;
export type ResultOf<M extends MethodName> = z.infer<(typeof methods)[M]["result"]>;

/** Notifications from worker to supervisor. */
export const notifications = {
  progress: z.object({
    job_id: z.string(),
    fence: count,
    phase: z.enum(phases),
    step: count,
    of: count,
    long_phase_ms: z.number().optional(),
  }),
  load_progress: z.object({ model: modelName, ratio: z.number().min(0).max(1) }),
  heartbeat: z.object({ main_thread_idle_ms: z.number() }),
  completed: reportSchema,
  failed: z.object({ job_id: z.string(), fence: count, failure: failureSchema }),
} as const;
export type NotificationName = keyof typeof notifications;

/** JSON-RPC error codes beyond the standard's. `data` is a failureSchema where one is known. */
export const rpcErrors = {
  unauthorized: -32001,
  busy: -32002,
  unsupported: -32003,
  failed: -32004,
  protocolMismatch: -32005,
} as const;

/** Environment variables by which a worker is started. */
export const workerEnvironment = {
  socket: "UNDERSTUDY_WORKER_SOCKET",
  token: "UNDERSTUDY_WORKER_TOKEN",
  id: "UNDERSTUDY_WORKER_ID",
  /** Directory in which a simulated device writes `<pid>.json` with its memory and start time. */
  deviceDir: "UNDERSTUDY_DEVICE_DIR",
} as const;
