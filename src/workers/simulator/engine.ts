/**
 * The simulator's main thread: loads, renders, acts and proves on a simulated device, one thing at a time as a real
 * worker does.
 */
import { exitCodePoisoned } from "../../contract/worker-protocol.ts";
import type { Clock } from "../../core/clock.ts";
import type { WorkerFailure } from "../../core/fault.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { canaryRequest } from "../../core/model-figures.ts";
import type {
  AttachReport,
  GenerateOrder,
  ProbeOrder,
  ProbeReport,
  RenderReport,
  WorkerActionReport,
  WorkerNotice,
} from "../../core/ports/worker.ts";
import { type LoadProfile, loadProfiles, type ModelId, type RecoveryAction } from "../../core/words.ts";
import type { SimulatedDevice } from "./device.ts";
import { Busy, contextLost, failureOf, SimulatedFailure } from "./failures.ts";
import type { FaultCard } from "./fault-cards.ts";
import { FaultQueue } from "./fault-queue.ts";
import { libraryFailure } from "./library-errors.ts";
import { expertOf, Placement } from "./placement.ts";
import { type FaultStage, playFault } from "./play-fault.ts";
import { RenderRun, type RunTools } from "./render-run.ts";

const loadMs = 1_200;
const canaryMs = 100;

export interface EngineOptions extends Pick<FaultStage, "die" | "silence" | "lie" | "block"> {
  readonly clock: Clock;
  readonly catalog: ModelCatalog;
  readonly device: SimulatedDevice;
  readonly speed: number;
  readonly cards: readonly FaultCard[];
  readonly notify: (notice: WorkerNotice) => void;
  readonly onState: () => void;
  /** Ends the process when what was said has left it. */
  readonly exit: (code: number) => void;
}

/** Renders one job at a time on the simulated device; loads, actions and probes have the device to themselves. */
export class Engine {
  jobsDone = 0;
  #isFreezing = false;
  #isPoisoned = false;
  #isStopping = false;
  #render: RenderRun | null = null;
  #running: Promise<void> = Promise.resolve();
  #result: RenderReport | null = null;
  #failure: { readonly order: GenerateOrder; readonly failure: WorkerFailure } | null = null;
  /** How many calls have the device, or wait for it. */
  #callCount = 0;
  #calls: Promise<unknown> = Promise.resolve();
  readonly #queue: FaultQueue;
  readonly #placement: Placement;
  readonly #options: EngineOptions;
  readonly #tools: RunTools;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#queue = new FaultQueue(options.cards);
    this.#placement = new Placement(options.catalog, options.device, options.speed);
    const { clock, catalog, device, notify, onState } = options;
    const play: RunTools["play"] = (run, card) => playFault(this.#stageOf(run), card);
    this.#tools = { clock, catalog, device, notify, onState, queue: this.#queue, placement: this.#placement, play };
  }

  get isRendering(): boolean {
    return this.#render !== null;
  }

  attach(): AttachReport {
    const render = this.#render;
    const order = render?.order ?? this.#result ?? this.#failure?.order;
    return {
      jobId: order?.jobId ?? null,
      fence: order?.fence ?? null,
      phase: render?.phase ?? null,
      step: render?.step ?? null,
      of: render?.of ?? null,
      result: this.#result,
      failure: this.#failure?.failure ?? null,
      residentModel: this.#placement.model,
      profile: this.#placement.profile,
    };
  }

  arm(card: FaultCard): void {
    this.#queue.arm(card);
  }

  acknowledge(jobId: string, fence: number): void {
    if (this.#result?.jobId === jobId && this.#result.fence === fence) this.#result = null;
    if (this.#failure?.order.jobId === jobId && this.#failure.order.fence === fence) this.#failure = null;
    this.#options.onState();
  }

  /**
   * Begins a render, whose course is told by notices. Throws Busy, or SimulatedFailure when the model is not on the
   * device.
   */
  generate(order: GenerateOrder): void {
    if (this.#render !== null || this.#callCount > 0) throw new Busy("the device is taken");
    this.#assertLoaded(order.request.model);
    this.#result = null;
    this.#failure = null;
    this.#render = new RenderRun(order, this.#tools);
    this.#running = this.#run(this.#render);
  }

  /** Resolves once the device is free of the job. */
  async cancel(jobId: string, fence: number): Promise<void> {
    const render = this.#render;
    if (render?.order.jobId !== jobId || render.order.fence !== fence) return;
    render.abort.abort();
    await this.#running;
  }

  async load(model: ModelId, profile: LoadProfile): Promise<void> {
    if (this.#render !== null) throw new Busy("a render is in hand");
    await this.#alone(() => this.#load(model, profile));
  }

  async unload(): Promise<void> {
    if (this.#render !== null) throw new Busy("a render is in hand");
    await this.#alone(async () => this.#placement.clear());
    this.#options.onState();
  }

  /** Carries a recovery action out, after the end of the render in hand. */
  act(action: RecoveryAction, profile: LoadProfile | undefined): Promise<WorkerActionReport> {
    return this.#alone(async () => {
      const before = this.#options.device.memory();
      const applied = await this.#apply(action, profile);
      this.#options.onState();
      return { applied, before, after: this.#options.device.memory() };
    });
  }

  /** Carries a proof out, after the end of the render in hand. A failed proof is an answer, not a rejection. */
  probe(order: ProbeOrder): Promise<ProbeReport> {
    return this.#alone(async () => {
      const startedAtMs = this.#options.clock.nowMs();
      const end = (expertsUsed: number, failure: WorkerFailure | null): ProbeReport => ({
        passed: failure === null,
        expertsUsed,
        tookMs: this.#options.clock.nowMs() - startedAtMs,
        failure,
      });
      try {
        return end(await this.#prove(order), null);
      } catch (thrown) {
        return end(0, this.failureOf(thrown, order.kind === "phase" ? order.phase : "idle"));
      }
    });
  }

  /** Keeps a checkpoint of the steps so far, then ends the process. */
  async shutdown(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const render = this.#render;
    if (render !== null) {
      render.save();
      render.abort.abort();
      await this.#running;
    }
    this.#end(0);
  }

  failureOf(thrown: unknown, phase: WorkerFailure["phase"], step: number | null = null): WorkerFailure {
    return failureOf(thrown, this.#options.device, { phase, step, isPoisoned: this.#isPoisoned });
  }

  /** Runs calls one after the other, and none beside a render. */
  #alone<Value>(task: () => Promise<Value>): Promise<Value> {
    this.#callCount += 1;
    const call = this.#calls.then(() => this.#running).then(task);
    this.#calls = Promise.allSettled([call]);
    return call.finally(() => {
      this.#callCount -= 1;
    });
  }

  #assertLoaded(model: ModelId): void {
    if (this.#isPoisoned) throw contextLost();
    if (this.#placement.model !== model) throw new SimulatedFailure("RuntimeError", `${model} is not loaded`);
  }

  async #load(model: ModelId, profile: LoadProfile): Promise<void> {
    const { clock, speed, notify, onState } = this.#options;
    const refusal = this.#queue.take((card) => card.name === "refuse-load");
    if (refusal !== null) throw libraryFailure(refusal.argument ?? "no-weights", () => this.#poison());
    if (this.#isPoisoned) throw contextLost();
    this.#placement.clear();
    onState();
    for (const ratio of [0.25, 0.5, 0.75, 1]) {
      await clock.sleep(loadMs / 4 / speed);
      notify({ kind: "loadProgress", model, ratio });
    }
    this.#placement.put(model, profile);
    onState();
  }

  async #apply(action: RecoveryAction, profile: LoadProfile | undefined): Promise<string[]> {
    const placement = this.#placement;
    if (action === "clear_gpu_cache") return this.#options.device.clearCache() > 0 ? ["gc.collect", "empty_cache"] : [];
    if (action === "apply_vram_optimization" && !placement.isTiled) {
      placement.isTiled = true;
      return ["vae.enable_tiling"];
    }
    if (action !== "enable_cpu_offload" || placement.model === null) return [];
    const next = profile ?? loadProfiles[loadProfiles.indexOf(placement.profile ?? "full") + 1];
    if (next === undefined || next === placement.profile) return [];
    await this.#load(placement.model, next);
    return [`profile ${next}`];
  }

  /**
   * Proves, and answers how many experts took part. Throws what a render would be met by, because the memory is really
   * reserved.
   */
  async #prove(order: ProbeOrder): Promise<number> {
    const { clock, catalog, device, speed } = this.#options;
    if (order.kind === "alive") {
      if (this.#isPoisoned) throw contextLost();
      return 0;
    }
    const model = order.kind === "canary" ? order.model : order.request.model;
    this.#assertLoaded(model);
    const entry = catalog.entryOf(model);
    const canary = canaryRequest(entry);
    const proofMs = order.kind === "canary" ? canaryMs / speed : 2 * this.#placement.stepMs(order.request);
    device.reserveWorking(this.#placement.workingBytes(order.kind === "canary" ? { model, ...canary } : order.request));
    try {
      await clock.sleep(proofMs);
    } finally {
      device.releaseWorking();
    }
    if (order.kind === "phase") return 1;
    const experts = Array.from({ length: canary.steps }, (_, step) => expertOf(entry, step, canary.steps));
    return Math.min(new Set(experts).size, entry.expertCount);
  }

  #poison(): void {
    this.#isPoisoned = true;
  }

  #stageOf(run: RenderRun): FaultStage {
    const { clock, device, die, silence, lie, block } = this.#options;
    return {
      clock,
      device,
      die,
      silence,
      lie,
      block,
      signal: run.abort.signal,
      freezeWhenIdle: () => {
        this.#isFreezing = true;
      },
      poison: () => this.#poison(),
      slowDown: (factor) => {
        run.slowFactor = factor;
      },
      refuseNextLoad: (card) => this.#queue.arm({ ...card, count: 1 }),
    };
  }

  async #run(render: RenderRun): Promise<void> {
    // The turn lets `accepted` be answered before the first fault can play.
    await this.#options.clock.turn();
    const ended = await render.run().then(
      (report) => ({ kind: "completed", report }) as const,
      (thrown: unknown) => ({ kind: "failed", failure: this.failureOf(thrown, render.phase, render.step) }) as const,
    );
    // Whoever hears of the end finds the device free.
    this.#options.device.releaseWorking();
    this.#options.device.setThrottled(false);
    this.#render = null;
    if (render.abort.signal.aborted) this.#options.onState();
    else if (ended.kind === "completed")
      this.#complete({ ...ended.report, heldBytes: this.#options.device.memory().allocatedBytes });
    else this.#fail(render.order, ended.failure);
    // The context is lost for this process: its report has gone out, and the exit code says the rest.
    if (this.#isPoisoned && !this.#isStopping) this.#end(exitCodePoisoned);
    if (!this.#isFreezing) return;
    await this.#options.clock.turn();
    this.#options.block();
  }

  #complete(report: RenderReport): void {
    this.jobsDone += 1;
    this.#result = report;
    this.#options.onState();
    this.#options.notify({ kind: "completed", report });
  }

  #fail(order: GenerateOrder, failure: WorkerFailure): void {
    this.#failure = { order, failure };
    this.#options.onState();
    this.#options.notify({ kind: "failed", jobId: order.jobId, fence: order.fence, failure });
  }

  #end(code: number): void {
    this.#options.device.remove();
    this.#options.exit(code);
  }
}
