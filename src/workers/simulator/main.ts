/** The simulator: a worker process with a simulated card that renders real, playable clips, each frame marked SIMULATED. */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { fromWire, toWire } from "../../contract/renaming.ts";
import {
  exitCodeConfiguration,
  type MethodName,
  type ParamsOf,
  rpcErrors,
  workerEnvironment,
} from "../../contract/worker-protocol.ts";
import { createSystemClock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { createModelCatalog } from "../../core/model-catalog.ts";
import type { GenerateOrder, ProbeOrder, WorkerIdentity } from "../../core/ports/worker.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import { loadProfiles, modelIds, phases, type RecoveryAction } from "../../core/words.ts";
import { isPresetName, SimulatedDevice } from "./device.ts";
import { Engine } from "./engine.ts";
import { Busy } from "./failures.ts";
import { type FaultCard, parseFaultCard } from "./fault-cards.ts";
import type { LinkData, ToLink, ToMain, WorkerState } from "./thread-messages.ts";

const clock = createSystemClock();
const startedAtMs = clock.nowMs();
const pulseMs = 250;
/**
 * The device's memory is written this often without a change, because a reader takes an old file for an unknown load.
 */
const publishEveryPulses = 4;
/** How long the last words may take to leave the process. */
const lastWordsMs = secondMs;
const actions: readonly RecoveryAction[] = [
  "clear_gpu_cache",
  "apply_vram_optimization",
  "enable_cpu_offload",
  "reduce_generation_params",
  "restart_pipeline",
  "system_health_check",
];

function refuse(message: string): never {
  console.error(message);
  process.exit(exitCodeConfiguration);
}

function need(name: string): string {
  const value = process.env[name];
  return value === undefined || value === "" ? refuse(`The environment variable ${name} is missing.`) : value;
}

function readCards(): FaultCard[] {
  const texts = (process.env["UNDERSTUDY_SIM_FAULT"] ?? "").split(",").filter((text) => text.trim() !== "");
  return texts.map((text) => {
    const answer = parseFaultCard(text);
    return answer.kind === "card" ? answer.card : refuse(answer.message);
  });
}

const presetName = process.env["UNDERSTUDY_SIM_GPU"] ?? "sim80";
if (!isPresetName(presetName)) refuse(`There is no simulated card ${presetName}.`);
const speed = Number(process.env["UNDERSTUDY_SIM_SPEED"] ?? "1");
if (!(speed > 0)) refuse("UNDERSTUDY_SIM_SPEED must be a number above 0.");

const orphanMs = Number(process.env["UNDERSTUDY_ORPHAN_MS"] ?? 10 * minuteMs);
if (!(orphanMs > 0)) refuse("UNDERSTUDY_ORPHAN_MS must be a number of milliseconds above 0.");

const workerId = process.env[workerEnvironment.id] ?? "worker";
const device = new SimulatedDevice(presetName, workerId, process.env[workerEnvironment.deviceDir] ?? null, clock);
const identity: WorkerIdentity = {
  pid: process.pid,
  kind: "simulator",
  isSimulated: true,
  playsFaults: true,
  device: { uuid: device.uuid, name: device.name, totalBytes: device.totalBytes },
  models: modelIds,
  profiles: loadProfiles,
  actions,
  phases,
};
const pulse = new SharedArrayBuffer(4);
const heartbeatView = new Int32Array(pulse);

let exitCode = 0;

const engine: Engine = new Engine({
  clock,
  catalog: createModelCatalog(),
  device,
  speed,
  cards: readCards(),
  notify: (notice) => {
    const { kind, ...rest } = notice;
    if (kind === "loadProgress") toLink({ kind: "notify", name: "load_progress", params: toWire(rest) });
    else if (kind === "completed")
      toLink({ kind: "notify", name: "completed", params: toWire((rest as { report: object }).report) });
    else toLink({ kind: "notify", name: kind, params: toWire(rest) });
  },
  onState: () => toLink({ kind: "state", state: state() }),
  exit: (code) => {
    exitCode = code;
    toLink({ kind: "end" });
    clock.setTimer(() => process.exit(code), lastWordsMs);
  },
  die: (code) => process.exit(code),
  silence: () => toLink({ kind: "silence" }),
  lie: () => toLink({ kind: "lie" }),
  block: () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});

function state(): WorkerState {
  return { attach: engine.attach(), memory: device.memory(), jobsDone: engine.jobsDone };
}

const data: LinkData = {
  socketPath: need(workerEnvironment.socket),
  token: need(workerEnvironment.token),
  identity,
  state: { attach: engine.attach(), memory: device.memory(), jobsDone: 0 },
  pulse,
  startedAtMs,
  orphanMs,
};
const link = new Worker(new URL(`./link-thread${extname(import.meta.url)}`, import.meta.url), { workerData: data });
link.on("error", (thrown) => refuse(`The link thread failed: ${messageOf(thrown)}`));

function toLink(message: ToLink): void {
  link.postMessage(message);
}

/** Refuses a model that this worker cannot load: any name fits the protocol. */
function assertOffered(field: string, model: string): void {
  if (!identity.models.includes(model))
    throw new RangeError(`${field}: there is no ${model} here; there are ${identity.models.join(", ")}`);
}

type Handler<Method extends MethodName> = (params: ParamsOf<Method>) => Promise<unknown> | unknown;
const handlers: { readonly [Method in MethodName]?: Handler<Method> } = {
  "model/load": async ({ model, profile }) => {
    assertOffered("model", model);
    const began = clock.nowMs();
    await engine.load(model, profile);
    return toWire({ memory: device.memory(), tookMs: clock.nowMs() - began });
  },
  "model/unload": async () => {
    await engine.unload();
    return toWire({ memory: device.memory() });
  },
  generate: (params) => {
    assertOffered("request.model", params.request.model);
    engine.generate(fromWire(params) as GenerateOrder);
    return { accepted: true };
  },
  "job/ack": ({ job_id, fence }) => {
    engine.acknowledge(job_id, fence);
    return {};
  },
  cancel: async ({ job_id, fence }) => {
    await engine.cancel(job_id, fence);
    return {};
  },
  "action/run": async ({ action, profile }) => toWire(await engine.act(action, profile)),
  probe: async (params) => toWire(await engine.probe(fromWire(params) as ProbeOrder)),
  shutdown: () => {
    // The delay lets the answer go out first.
    clock.setTimer(() => void engine.shutdown(), 0);
    return {};
  },
  "fault/inject": ({ card }) => {
    const answer = parseFaultCard(card);
    if (answer.kind === "refused") throw new RangeError(answer.message);
    engine.arm(answer.card);
    return {};
  },
};

const invalidParams = -32602;

async function handle(method: MethodName, params: unknown): Promise<ToLink | ((id: number) => ToLink)> {
  const handler = handlers[method] as ((given: unknown) => unknown) | undefined;
  if (handler === undefined)
    return (id) => ({ kind: "refusal", id, code: rpcErrors.unsupported, message: `${method} is not offered` });
  try {
    const result = await handler(params);
    return (id) => ({ kind: "answer", id, result });
  } catch (thrown) {
    const code =
      thrown instanceof Busy ? rpcErrors.busy : thrown instanceof RangeError ? invalidParams : rpcErrors.failed;
    const failure = engine.failureOf(thrown, method === "model/load" ? "load" : "idle");
    return (id) => ({
      kind: "refusal",
      id,
      code,
      message: messageOf(thrown),
      ...(code === rpcErrors.failed ? { data: toWire(failure) } : {}),
    });
  }
}

link.on("message", (message: ToMain) => {
  if (message.kind === "ended") process.exit(exitCode);
  if (message.kind === "orphaned") {
    if (!engine.isRendering) void engine.shutdown();
    return;
  }
  void handle(message.method, message.params).then((answer) =>
    toLink(typeof answer === "function" ? answer(message.id) : answer),
  );
});

function turn(count: number): void {
  Atomics.store(heartbeatView, 0, clock.nowMs() - startedAtMs);
  if (count % publishEveryPulses === 0) device.publish();
  clock.setTimer(() => turn(count + 1), pulseMs);
}
turn(1);
// A terminal's Ctrl-C goes to the whole group; the supervisor decides what becomes of its workers.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => void engine.shutdown());
