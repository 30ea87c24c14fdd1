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
export const armedFaults = ["crash", "exit", "hang", "stall", "oom", "poison", "corrupt", "silent", "cut", "lost"] as const;
export type ArmedFault = (typeof armedFaults)[number];

/** What goes wrong outside renders, for the next calls of its kind. */
export interface BadCalls {
  loads: number;
  probes: number;
}

/** The exit as the operating system tells it, and what the process wrote last. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly logTail?: string;
}

const never = (): Promise<never> => new Promise(() => undefined);

const traceback = `Traceback (most recent call last):
  File "worker/engine.py", line 212, in denoise
    latents = self.step(latents)
RuntimeError: shape mismatch in scheduler state`;

interface Render {
  readonly order: GenerateOrder;
  readonly resumedFromStep: number;
  phase: Phase;
  step: number;
  timer: TimerHandle | undefined;
  stepsRendered: number;
}

export interface SimFile {
  readonly plays: boolean;
  readonly madeBy: "worker" | "media";
  readonly order: GenerateOrder;
}

export interface SimWorkerWorld {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Checkpoints outlive workers: denoise steps done, by job. */
  readonly checkpoints: Map<string, number>;
  /** Files by path, and who really made them. */
  readonly files: Map<string, SimFile>;
  /** Attempts (`job:fence`) whose result was complete while no supervisor listened. */
  readonly keptAttempts: Set<string>;
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
  readonly bad: BadCalls = { loads: 0, probes: 0 };
  readonly exitListeners = new Set<(exit: WorkerEnd) => void>();
  #listener: ((notice: WorkerNotice) => void) | null = null;
  #onReplaced: (() => void) | null = null;
  #render: Render | null = null;
  #result: RenderReport | null = null;
  #failure: { readonly order: GenerateOrder; readonly failure: WorkerFailure } | null = null;
  #movedAtMs = 0;
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
      standstillMs: render === null ? 0 : this.#world.clock.nowMs() - this.#movedAtMs,
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
    this.#movedAtMs = this.#world.clock.nowMs();
    render.timer = this.#world.clock.setTimer(() => this.#turn(render), this.#world.stepMs);
  }

  #turn(render: Render): void {
    if (!this.isAlive || this.#isHung || this.#render !== render) return;
    if (this.#firesArmed(render)) return;
    render.step += 1;
    if (render.phase === "denoise") {
      render.stepsRendered += 1;
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

  #complete(render: Render, plays: boolean, isTold = true): void {
    const { order } = render;
    this.#world.files.set(order.outputPath, { plays, order, madeBy: "worker" });
    if (this.#listener === null) this.#world.keptAttempts.add(`${order.jobId}:${order.fence}`);
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
    if (isTold) this.#send({ kind: "completed", report: this.#result });
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
      case "exit":
        this.die({ code: 1, signal: null, logTail: traceback });
        return true;
      case "hang":
        this.#isHung = true;
        this.#isSilent = true;
        return true;
      case "cut":
        // The connection breaks; the render goes on, and nobody hears of it.
        this.#onReplaced?.();
        return false;
      case "lost":
        // The file is complete, and the process ends before it could say so.
        this.#complete(render, true, false);
        this.die({ code: null, signal: "SIGKILL" });
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
    if (this.#isHung) await never();
    await this.#world.clock.sleep(this.#world.stepMs / 2);
    this.#world.clock.clearTimer(render.timer);
    if (this.#render === render) this.#render = null;
  }

  async load(model: ModelId, profile: LoadProfile): Promise<{ memory: DeviceMemory; tookMs: number }> {
    if (this.#isHung) await never();
    for (const ratio of [0.25, 0.5, 0.75, 1]) {
      await this.#world.clock.sleep(500);
      if (ratio === 0.5 && this.bad.loads > 0) {
        this.bad.loads -= 1;
        this.model = null;
        throw new WorkerError("WORKER_ERROR", "CUDA out of memory. Tried to allocate 2.00 GiB.", { retryable: true });
      }
      this.#send({ kind: "loadProgress", model, ratio });
    }
    this.model = model;
    this.profile = profile;
    return { memory: this.memory(), tookMs: 2_000 };
  }

  async probe(): Promise<ProbeReport> {
    if (this.#isHung) await never();
    await this.#world.clock.sleep(200);
    const isBad = this.bad.probes > 0;
    if (isBad) this.bad.probes -= 1;
    return { passed: this.model !== null && !isBad, expertsUsed: 2, tookMs: 200, failure: null };
  }

  die(exit: WorkerEnd): void {
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

  /** A clean end on request: the checkpoint of the steps so far is kept. One that hangs does not hear it. */
  async shutdown(): Promise<void> {
    if (this.#isHung) await never();
    this.terminate();
  }

  /** SIGTERM: a process that stands still as a whole hears nothing but SIGKILL. */
  terminate(): void {
    if (this.#isHung && this.#isSilent) return;
    const render = this.#render;
    if (render !== null && render.phase === "denoise") this.#world.checkpoints.set(render.order.jobId, render.step);
    this.#world.clock.setTimer(() => this.die({ code: 0, signal: null }), 100);
  }
}
