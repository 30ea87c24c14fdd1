import { type Chance, drawInteger } from "../../src/core/chance.ts";
import type { Clock, TimerHandle } from "../../src/core/clock.ts";
import { WorkerError } from "../../src/core/errors.ts";
import type { DeviceMemory, WorkerFailure } from "../../src/core/fault.ts";
import { peakBytes, residentBytes } from "../../src/core/model-catalog.ts";
import type { AttachReport, GenerateOrder, ProbeReport, RenderReport, WorkerNotice } from "../../src/core/ports/worker.ts";
import { gibibyte } from "../../src/core/units.ts";
import { type LoadProfile, type ModelId, type Phase, phases } from "../../src/core/words.ts";

export const deviceTotalBytes = 80 * gibibyte;

/** What happens to the attempt that it is armed for, at a step of the denoise phase. */
export type ArmedFault = "crash" | "hang" | "stall" | "oom" | "poison" | "corrupt" | "silent";

interface Render {
  readonly order: GenerateOrder;
  readonly resumedFromStep: number;
  phase: Phase;
  step: number;
  timer: TimerHandle | undefined;
  stepsRendered: number;
}

export interface SimWorkerWorld {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Checkpoints outlive workers: denoise steps done, by job. */
  readonly checkpoints: Map<string, number>;
  /** Finished files by path; false = it does not play. */
  readonly files: Map<string, { readonly plays: boolean; readonly order: GenerateOrder }>;
  /** Called for every denoise step that is really rendered. */
  readonly onStep: (jobId: string, fence: number, step: number) => void;
  readonly stepMs: number;
  readonly heartbeatMs: number;
  readonly checkpointEverySteps: number;
}

/** One in-process worker with the wire's semantics: it outlives its supervisor, keeps a result until it is acknowledged. */
export class SimWorker {
  readonly pid: number;
  readonly token: string;
  readonly startTicks: number;
  isAlive = true;
  isConnectable = false;
  model: ModelId | null = null;
  profile: LoadProfile | null = null;
  leakBytes = 0;
  jobsDone = 0;
  armed: { readonly fault: ArmedFault; readonly atStep: number } | null = null;
  readonly exitListeners = new Set<(exit: { code: number | null; signal: string | null }) => void>();
  #listener: ((notice: WorkerNotice) => void) | null = null;
  #onReplaced: (() => void) | null = null;
  #render: Render | null = null;
  #result: RenderReport | null = null;
  #failure: { readonly order: GenerateOrder; readonly failure: WorkerFailure } | null = null;
  #isSilent = false;
  #isHung = false;
  #heartbeat: TimerHandle | undefined;
  readonly #world: SimWorkerWorld;

  constructor(world: SimWorkerWorld, pid: number) {
    this.#world = world;
    this.pid = pid;
    this.token = world.chance.token();
    this.startTicks = world.clock.nowMs();
    world.clock.setTimer(
      () => {
        this.isConnectable = true;
      },
      drawInteger(world.chance, 50, 400),
    );
    this.#beat();
  }

  #beat(): void {
    this.#heartbeat = this.#world.clock.setTimer(() => {
      if (!this.isAlive) return;
      if (!this.#isSilent) this.#send({ kind: "heartbeat", mainThreadIdleMs: this.#isHung ? 600_000 : 0 });
      this.#beat();
    }, this.#world.heartbeatMs);
  }

  #send(notice: WorkerNotice): void {
    this.#listener?.(notice);
  }

  memory(): DeviceMemory {
    const resident = this.model === null || this.profile === null ? 0 : residentBytes(this.model, this.profile);
    const working =
      this.#render === null || this.profile === null
        ? 0
        : peakBytes(this.#render.order.request.model, this.#render.order.request, this.profile) - resident;
    const allocatedBytes = resident + this.leakBytes + Math.max(0, working);
    const reservedBytes = allocatedBytes + gibibyte;
    return {
      totalBytes: deviceTotalBytes,
      allocatedBytes,
      reservedBytes,
      freeBytes: deviceTotalBytes - reservedBytes,
      peakBytes: reservedBytes,
    };
  }

  attachListener(listener: (notice: WorkerNotice) => void, onReplaced: () => void): void {
    this.#onReplaced?.();
    this.#listener = listener;
    this.#onReplaced = onReplaced;
  }

  detachListener(listener: (notice: WorkerNotice) => void): void {
    if (this.#listener === listener) {
      this.#listener = null;
      this.#onReplaced = null;
    }
  }

  attach(): AttachReport {
    const render = this.#render;
    const kept = this.#result ?? null;
    const failed = this.#failure;
    return {
      jobId: render?.order.jobId ?? kept?.jobId ?? failed?.order.jobId ?? null,
      fence: render?.order.fence ?? kept?.fence ?? failed?.order.fence ?? null,
      phase: render?.phase ?? null,
      step: render?.step ?? null,
      of: render === null ? null : this.#lengthOf(render),
      result: kept,
      failure: failed?.failure ?? null,
      residentModel: this.model,
      profile: this.profile,
    };
  }

  acknowledge(jobId: string, fence: number): void {
    if (this.#result?.jobId === jobId && this.#result.fence === fence) this.#result = null;
    if (this.#failure?.order.jobId === jobId && this.#failure.order.fence === fence) this.#failure = null;
  }

  generate(order: GenerateOrder): void {
    if (this.#render !== null) throw new WorkerError("WORKER_ERROR", "busy with another job");
    this.#result = null;
    this.#failure = null;
    const resumedFromStep = Math.min(order.request.steps, this.#world.checkpoints.get(order.jobId) ?? 0);
    this.#render = { order, resumedFromStep, phase: "encode", step: 0, timer: undefined, stepsRendered: 0 };
    this.#schedule();
  }

  #lengthOf(render: Render): number {
    return render.phase === "denoise" ? render.order.request.steps : 1;
  }

  #schedule(): void {
    const render = this.#render;
    if (render === null) return;
    render.timer = this.#world.clock.setTimer(() => this.#turn(render), this.#world.stepMs);
  }

  #turn(render: Render): void {
    if (!this.isAlive || this.#isHung || this.#render !== render) return;
    if (this.#firesArmed(render)) return;
    render.step += 1;
    if (render.phase === "denoise") {
      render.stepsRendered += 1;
      this.#world.onStep(render.order.jobId, render.order.fence, render.step);
      if (render.step % this.#world.checkpointEverySteps === 0) this.#world.checkpoints.set(render.order.jobId, render.step);
    }
    this.#send({
      kind: "progress",
      jobId: render.order.jobId,
      fence: render.order.fence,
      phase: render.phase,
      step: render.step,
      of: this.#lengthOf(render),
    });
    if (render.step >= this.#lengthOf(render)) this.#nextPhase(render);
    if (this.#render === render) this.#schedule();
  }

  #nextPhase(render: Render): void {
    const next = phases[phases.indexOf(render.phase) + 1];
    if (next === undefined) {
      this.#complete(render, true);
      return;
    }
    render.phase = next;
    render.step = next === "denoise" ? render.resumedFromStep : 0;
    if (next === "denoise" && render.step >= render.order.request.steps) render.phase = "decode";
    if (render.phase === "decode") render.step = 0;
  }

  #complete(render: Render, plays: boolean): void {
    const { order } = render;
    this.#world.files.set(order.outputPath, { plays, order });
    this.#render = null;
    this.jobsDone += 1;
    this.#result = {
      jobId: order.jobId,
      fence: order.fence,
      outputPath: order.outputPath,
      frames: order.request.frames,
      renderedWidth: order.request.width,
      renderedHeight: order.request.height,
      stepsRendered: render.stepsRendered,
      resumedFromStep: render.resumedFromStep,
      renderMs: 1_000,
      peakBytes: this.memory().peakBytes,
    };
    this.#send({ kind: "completed", report: this.#result });
  }

  #fail(render: Render, exceptionType: string, message: string, deviceUsable: boolean): void {
    this.#render = null;
    const failure: WorkerFailure = {
      phase: render.phase,
      step: render.step,
      exceptionType,
      message,
      causes: [],
      deviceUsable,
      memory: this.memory(),
    };
    this.#failure = { order: render.order, failure };
    this.#send({ kind: "failed", jobId: render.order.jobId, fence: render.order.fence, failure });
  }

  #firesArmed(render: Render): boolean {
    const { armed } = this;
    if (armed === null || render.phase !== "denoise" || render.step < armed.atStep) return false;
    this.armed = null;
    switch (armed.fault) {
      case "crash":
        this.die({ code: null, signal: "SIGSEGV" });
        return true;
      case "hang":
        this.#isHung = true;
        this.#isSilent = true;
        return true;
      case "silent":
        this.#isSilent = true;
        return false;
      case "stall":
        this.#isHung = true;
        return true;
      case "oom":
        this.#fail(
          render,
          "torch.OutOfMemoryError",
          "CUDA out of memory. Tried to allocate 12.00 GiB. GPU 0 has a total capacity of 80.00 GiB of which 2.00 GiB is free. Of the allocated memory 60.00 GiB is allocated by PyTorch, and 14.00 GiB is reserved by PyTorch but unallocated.",
          true,
        );
        return true;
      case "poison":
        this.#fail(render, "torch.AcceleratorError", "CUDA error: an illegal memory access was encountered", false);
        this.#world.clock.setTimer(() => this.die({ code: 75, signal: null }), 20);
        return true;
      case "corrupt":
        this.#complete(render, false);
        return true;
    }
  }

  async cancel(jobId: string, fence: number): Promise<void> {
    const render = this.#render;
    if (render === null || render.order.jobId !== jobId || render.order.fence !== fence) return;
    if (this.#isHung) await new Promise<never>(() => undefined);
    await this.#world.clock.sleep(this.#world.stepMs / 2);
    this.#world.clock.clearTimer(render.timer);
    if (this.#render === render) this.#render = null;
  }

  async load(model: ModelId, profile: LoadProfile): Promise<{ memory: DeviceMemory; tookMs: number }> {
    for (const ratio of [0.25, 0.5, 0.75, 1]) {
      await this.#world.clock.sleep(500);
      this.#send({ kind: "loadProgress", model, ratio });
    }
    this.model = model;
    this.profile = profile;
    return { memory: this.memory(), tookMs: 2_000 };
  }

  async probe(): Promise<ProbeReport> {
    if (this.#isHung) await new Promise<never>(() => undefined);
    await this.#world.clock.sleep(200);
    return { passed: this.model !== null, expertsUsed: 2, tookMs: 200, failure: null };
  }

  die(exit: { code: number | null; signal: string | null }): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.isConnectable = false;
    this.#world.clock.clearTimer(this.#heartbeat);
    this.#world.clock.clearTimer(this.#render?.timer);
    this.#render = null;
    this.#onReplaced?.();
    this.#listener = null;
    for (const listener of [...this.exitListeners]) listener(exit);
  }

  /** A clean end on request: the checkpoint of the steps so far is kept. */
  shutdown(): void {
    const render = this.#render;
    if (render !== null && render.phase === "denoise") this.#world.checkpoints.set(render.order.jobId, render.step);
    this.#world.clock.setTimer(() => this.die({ code: 0, signal: null }), 100);
  }

  get isBusy(): boolean {
    return this.#render !== null;
  }
}
