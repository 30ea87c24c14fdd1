import { renameSync, writeFileSync } from "node:fs";
import { messageOf } from "../../core/errors.ts";
import type { WorkerFailure } from "../../core/fault.ts";
import { legalEnvelope, modelCatalog, peakBytes, residentBytes, stepSeconds } from "../../core/model-catalog.ts";
import type { AttachReport, GenerateOrder, ProbeOrder, ProbeReport, RenderReport, WorkerActionReport } from "../../core/ports/worker.ts";
import { parseBytes, secondMs } from "../../core/units.ts";
import { type LoadProfile, loadProfiles, type ModelId, type Phase, type RecoveryAction } from "../../core/words.ts";
import { renderClip } from "../../media/render-clip.ts";
import { dropCheckpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { OutOfMemory } from "./device.ts";
import {
  Busy,
  checkpointEveryMs,
  decodeShare,
  type EngineOptions,
  encodeSteps,
  loadMs,
  lookOf,
  poisoned,
  type Render,
  SimulatedFailure,
  timeShare,
} from "./engine-types.ts";
import { cardsInPrompt, type FaultCard } from "./fault-cards.ts";

/** Renders one job at a time on the simulated device, in phases, with checkpoints and faults. */
export class Engine {
  model: ModelId | null = null;
  profile: LoadProfile | null = null;
  jobsDone = 0;
  #isPoisoned = false;
  #isStopping = false;
  #isTiled = false;
  #render: Render | null = null;
  #running: Promise<void> = Promise.resolve();
  #result: RenderReport | null = null;
  #failure: { readonly order: GenerateOrder; readonly failure: WorkerFailure } | null = null;
  readonly #armed: FaultCard[];
  readonly #firedHere = new Map<string, number>();
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#armed = [...options.cards];
  }

  attach(): AttachReport {
    const render = this.#render;
    return {
      jobId: render?.order.jobId ?? this.#result?.jobId ?? this.#failure?.order.jobId ?? null,
      fence: render?.order.fence ?? this.#result?.fence ?? this.#failure?.order.fence ?? null,
      phase: render?.phase ?? null,
      step: render?.step ?? null,
      of: render?.of ?? null,
      result: this.#result,
      failure: this.#failure?.failure ?? null,
      residentModel: this.model,
      profile: this.profile,
    };
  }

  arm(card: FaultCard): void {
    this.#armed.push(card);
  }

  acknowledge(jobId: string, fence: number): void {
    if (this.#result?.jobId === jobId && this.#result.fence === fence) this.#result = null;
    if (this.#failure?.order.jobId === jobId && this.#failure.order.fence === fence) this.#failure = null;
    this.#options.onState();
  }

  generate(order: GenerateOrder): void {
    if (this.#render !== null) throw new Busy("a render is in hand");
    this.#result = null;
    this.#failure = null;
    const checkpoint = readCheckpoint(order.checkpointDir, order.request);
    this.#render = {
      order,
      checkpoint,
      cards: cardsInPrompt(order.request.prompt),
      startedAtMs: this.#options.clock.nowMs(),
      abort: new AbortController(),
      resumedFromStep: checkpoint.denoiseSteps,
      phase: "encode",
      step: 0,
      of: encodeSteps,
      stepsRendered: 0,
      slowFactor: 1,
    };
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
    const refusal = this.#take((card) => card.name === "refuse-load", null);
    if (refusal !== null)
      throw new SimulatedFailure("OSError", "Error no file named diffusion_pytorch_model.safetensors found in directory (simulated).");
    this.#options.device.setResident(0);
    this.model = null;
    for (const ratio of [0.25, 0.5, 0.75, 1]) {
      await this.#options.clock.sleep(loadMs / 4 / this.#options.speed);
      this.#options.notify({ kind: "loadProgress", model, ratio });
    }
    this.#options.device.setResident(residentBytes(model, profile));
    this.model = model;
    this.profile = profile;
    this.#options.onState();
  }

  unload(): void {
    if (this.#render !== null) throw new Busy("a render is in hand");
    this.model = null;
    this.profile = null;
    this.#options.device.setResident(0);
    this.#options.onState();
  }

  async act(action: RecoveryAction, profile: LoadProfile | undefined): Promise<WorkerActionReport> {
    if (this.#render !== null) await this.#running;
    const before = this.#options.device.memory();
    const applied: string[] = [];
    if (action === "clear_gpu_cache" && this.#options.device.clearCache() > 0) applied.push("gc.collect", "empty_cache");
    if (action === "apply_vram_optimization" && !this.#isTiled) {
      this.#isTiled = true;
      applied.push("vae.enable_tiling");
    }
    if (action === "enable_cpu_offload" && this.model !== null) {
      const next = profile ?? loadProfiles[loadProfiles.indexOf(this.profile ?? "full") + 1];
      if (next !== undefined && next !== this.profile) {
        await this.load(this.model, next);
        applied.push(`profile ${next}`);
      }
    }
    this.#options.onState();
    return { applied, before, after: this.#options.device.memory() };
  }

  async probe(order: ProbeOrder): Promise<ProbeReport> {
    if (this.#render !== null) await this.#running;
    const startedAtMs = this.#options.clock.nowMs();
    const report = (failure: WorkerFailure | null, expertsUsed: number): ProbeReport => ({
      passed: failure === null,
      expertsUsed,
      tookMs: this.#options.clock.nowMs() - startedAtMs,
      failure,
    });
    if (this.#isPoisoned) return report(this.#failureOf(poisoned(), "idle", null), 0);
    if (order.kind === "alive") return report(null, 0);
    if (this.model === null) return report(this.#failureOf(new SimulatedFailure("RuntimeError", "no model is loaded"), "idle", null), 0);
    if (order.kind === "canary") {
      await this.#options.clock.sleep(100 / this.#options.speed);
      return report(null, modelCatalog[this.model].expertCount);
    }
    try {
      this.#options.device.reserveWorking(this.#workingBytes(order.request));
      await this.#options.clock.sleep(2 * this.#stepMs(order.request, 1));
      this.#options.device.releaseWorking();
      return report(null, 1);
    } catch (thrown) {
      return report(this.#failureOf(thrown, order.phase, null), 0);
    }
  }

  /** Keeps a checkpoint of the steps so far, then ends the process. */
  async shutdown(): Promise<void> {
    this.#isStopping = true;
    const render = this.#render;
    if (render !== null) {
      this.#save(render);
      render.abort.abort();
      await this.#running;
    }
    this.#options.device.remove();
    this.#options.exit(0);
  }

  #workingBytes(request: GenerateOrder["request"]): number {
    const profile = this.profile ?? "model-offload";
    const bytes = peakBytes(request.model, request, profile) - residentBytes(request.model, profile);
    return Math.max(0, this.#isTiled ? bytes * 0.9 : bytes);
  }

  #stepMs(request: GenerateOrder["request"], slowFactor: number): number {
    const { device, speed } = this.#options;
    return (
      (stepSeconds(request.model, request, this.profile ?? "model-offload") * secondMs * device.timeFactor * timeShare * slowFactor) / speed
    );
  }

  #save(render: Render): void {
    writeCheckpoint(render.order.checkpointDir, render.order.request, render.checkpoint);
  }

  /** The first card that matches and has firings left; counted with the job when there is one. */
  #take(matches: (card: FaultCard) => boolean, render: Render | null): FaultCard | null {
    for (const card of [...this.#armed, ...(render?.cards ?? [])]) {
      const isOfJob = render?.cards.includes(card) === true;
      const fired = isOfJob ? (render?.checkpoint.fired[card.text] ?? 0) : (this.#firedHere.get(card.text) ?? 0);
      if (fired >= card.count || !matches(card)) continue;
      if (isOfJob && render !== null) {
        render.checkpoint.fired[card.text] = fired + 1;
        this.#save(render);
      } else this.#firedHere.set(card.text, fired + 1);
      return card;
    }
    return null;
  }

  #failureOf(thrown: unknown, phase: WorkerFailure["phase"], step: number | null): WorkerFailure {
    const type =
      thrown instanceof OutOfMemory ? "torch.OutOfMemoryError" : thrown instanceof SimulatedFailure ? thrown.exceptionType : "RuntimeError";
    return {
      phase,
      step,
      exceptionType: type,
      message: messageOf(thrown),
      causes: [],
      deviceUsable: !this.#isPoisoned,
      memory: this.#options.device.memory(),
    };
  }

  async #run(render: Render): Promise<void> {
    try {
      await this.#phases(render);
      if (!render.abort.signal.aborted) this.#complete(render);
    } catch (thrown) {
      if (!render.abort.signal.aborted) this.#fail(render, thrown);
    } finally {
      this.#options.device.releaseWorking();
      if (this.#render === render) this.#render = null;
      this.#options.onState();
    }
    if (this.#isPoisoned && !this.#isStopping) {
      // The context is lost for this process: the report is out, the exit code says the rest.
      await this.#options.clock.sleep(50);
      this.#options.device.remove();
      this.#options.exit(75);
    }
  }

  async #phases(render: Render): Promise<void> {
    const { request } = render.order;
    const { device } = this.#options;
    if (this.#isPoisoned) throw poisoned();
    await this.#phase(render, "encode", encodeSteps, 0, 60);
    device.reserveWorking(this.#workingBytes(request));
    await this.#phase(render, "denoise", request.steps, render.checkpoint.denoiseSteps, null);
    await this.#phase(render, "decode", decodeShare, 0, null);
    await this.#mux(render);
  }

  async #phase(render: Render, phase: Phase, of: number, from: number, eachMs: number | null): Promise<void> {
    render.phase = phase;
    render.of = of;
    render.step = from;
    this.#tellProgress(render);
    const stepMs = this.#stepMs(render.order.request, 1);
    const saveEvery = Math.max(1, Math.floor(checkpointEveryMs / Math.max(1, stepMs / timeShare)));
    while (render.step < of) {
      await this.#play(render);
      await this.#options.clock.sleep((eachMs ?? stepMs) * render.slowFactor, render.abort.signal);
      render.step += 1;
      if (phase === "denoise") {
        render.stepsRendered += 1;
        render.checkpoint.denoiseSteps = render.step;
        if (render.step % saveEvery === 0 || render.step === of) this.#save(render);
      }
      this.#tellProgress(render);
    }
  }

  #tellProgress({ order, phase, step, of }: Render): void {
    this.#options.notify({ kind: "progress", jobId: order.jobId, fence: order.fence, phase, step, of });
    this.#options.onState();
  }

  /** Plays the fault that is due at this step, if there is one. */
  async #play(render: Render): Promise<void> {
    const { phase, step } = render;
    const card = this.#take(
      (candidate) =>
        candidate.name !== "refuse-load" &&
        candidate.name !== "corrupt" &&
        candidate.name !== "black" &&
        (candidate.phase ?? "denoise") === phase &&
        step >= candidate.step,
      render,
    );
    if (card === null) return;
    const { device, exit, block, silence, lie, clock } = this.#options;
    switch (card.name) {
      case "crash":
        process.kill(process.pid, (card.argument ?? "SIGKILL") as NodeJS.Signals);
        await clock.sleep(5_000);
        return;
      case "exit":
        exit(Number(card.argument));
        return;
      case "hang":
        block();
        return;
      case "stall":
        await new Promise<never>((_, reject) => render.abort.signal.addEventListener("abort", () => reject(render.abort.signal.reason)));
        return;
      case "oom":
        throw new OutOfMemory(device.outOfMemoryText(device.memory().freeBytes + 4 * 1024 ** 3));
      case "poison":
        this.#isPoisoned = true;
        throw poisoned();
      case "slow":
        render.slowFactor = Number(card.argument);
        return;
      case "leak":
        device.leak(parseBytes(card.argument ?? "0B") ?? 0);
        return;
      case "silent":
        silence();
        return;
      case "lying-heartbeat":
        lie();
        block();
        return;
      default:
        return;
    }
  }

  async #mux(render: Render): Promise<void> {
    const { request, outputPath } = render.order;
    render.phase = "mux";
    render.of = request.frames;
    render.step = 0;
    this.#tellProgress(render);
    await this.#play(render);
    const isBlack = this.#take((card) => card.name === "black", render) !== null;
    const look = lookOf(request, isBlack);
    const tellEvery = Math.max(1, Math.floor(request.frames / 10));
    await renderClip({
      outputPath,
      look,
      framesPerSecond: request.framesPerSecond,
      onFrame: async (index) => {
        render.step = index + 1;
        if ((index + 1) % tellEvery !== 0) return;
        this.#tellProgress(render);
        // A turn for the pulse and for calls: muxing is this thread's longest work.
        await this.#options.clock.turn();
        render.abort.signal.throwIfAborted();
      },
    });
    if (this.#take((card) => card.name === "corrupt", render) !== null) {
      writeFileSync(`${outputPath}.bad`, "this is not a video");
      renameSync(`${outputPath}.bad`, outputPath);
    }
  }

  #complete(render: Render): void {
    const { order } = render;
    const rendered = legalEnvelope(order.request.model, order.request);
    this.jobsDone += 1;
    this.#result = {
      jobId: order.jobId,
      fence: order.fence,
      outputPath: order.outputPath,
      frames: order.request.frames,
      renderedWidth: rendered.width,
      renderedHeight: rendered.height,
      stepsRendered: render.stepsRendered,
      resumedFromStep: render.resumedFromStep,
      renderMs: this.#options.clock.nowMs() - render.startedAtMs,
      peakBytes: this.#options.device.memory().peakBytes,
    };
    this.#render = null;
    this.#options.onState();
    this.#options.notify({ kind: "completed", report: this.#result });
  }

  #fail(render: Render, thrown: unknown): void {
    const { order } = render;
    const failure = this.#failureOf(thrown, render.phase, render.step);
    this.#failure = { order, failure };
    if (failure.exceptionType === "OSError") dropCheckpoint(order.checkpointDir);
    this.#render = null;
    this.#options.onState();
    this.#options.notify({ kind: "failed", jobId: order.jobId, fence: order.fence, failure });
  }
}
