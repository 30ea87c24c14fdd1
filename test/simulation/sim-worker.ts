/** A worker in the simulated world, with the behaviour of the protocol and without a process. */
import { drawInteger } from "../../src/core/chance.ts";
import type { TimerHandle } from "../../src/core/clock.ts";
import { WorkerError } from "../../src/core/errors.ts";
import type { DeviceMemory, WorkerFailure } from "../../src/core/fault.ts";
import { peakBytes, residentBytes } from "../../src/core/model-figures.ts";
import type {
  AttachReport,
  GenerateOrder,
  ProbeOrder,
  ProbeReport,
  RenderReport,
  WorkerNotice,
} from "../../src/core/ports/worker.ts";
import { gibibyte } from "../../src/core/units.ts";
import { type LoadProfile, type ModelId, phases } from "../../src/core/words.ts";
import { envelopeOf } from "../../src/recovery/envelopes.ts";
import { libraryFailure } from "../../src/workers/simulator/library-errors.ts";
import { failureInProof, meetDefect } from "./job-defects.ts";
import { attachReportOf, type FailedAttempt, lengthOf, type Render, reportOf } from "./sim-attempt.ts";
import { allocatedByModel, type CardUse, memoryOf, refusalOf, residentOf } from "./sim-card.ts";
import { failureTexts, raisedFailure } from "./sim-failures.ts";
import type { Armed, ArmedFault, BadCalls, SimWorkerWorld, WorkerEnd } from "./sim-worker-types.ts";

const never = (): Promise<never> => new Promise(() => undefined);

/** The allocator's cache after a render. */
const cacheBytes = gibibyte;
const slowFactor = 3;
/** A render does not end by them. */
const goesOn: readonly ArmedFault[] = ["slow", "leak", "cut", "silent"];

/** One in-process worker with the wire's semantics: it outlives its supervisor, keeps a result until it is acknowledged. */
export class SimWorker {
  readonly pid: number;
  readonly deviceUuid: string;
  readonly token: string;
  readonly startTicks: number;
  isAlive = true;
  isConnectable = false;
  isStopped = false;
  model: ModelId | null = null;
  profile: LoadProfile | null = null;
  leakBytes = 0;
  cachedBytes = 0;
  jobsDone = 0;
  armed: Armed | null = null;
  end: WorkerEnd | null = null;
  readonly bad: BadCalls = { loads: 0, probes: 0 };
  readonly exitListeners = new Set<(exit: WorkerEnd) => void>();
  #listener: ((notice: WorkerNotice) => void) | null = null;
  #onReplaced: (() => void) | null = null;
  #render: Render | null = null;
  #result: RenderReport | null = null;
  #failure: FailedAttempt | null = null;
  #movedAtMs = 0;
  #isSilent = false;
  #hungSinceMs: number | null = null;
  #isTermPending = false;
  #slowness = 1;
  #heartbeat: TimerHandle | undefined;
  readonly #world: SimWorkerWorld;

  constructor(world: SimWorkerWorld, pid: number, deviceUuid: string) {
    this.#world = world;
    this.pid = pid;
    this.deviceUuid = deviceUuid;
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
      const mainThreadIdleMs = this.#hungSinceMs === null ? 0 : this.#world.clock.nowMs() - this.#hungSinceMs;
      if (!this.#isSilent && !this.isStopped) this.#send({ kind: "heartbeat", mainThreadIdleMs });
      this.#beat();
    }, this.#world.heartbeatMs);
  }

  #send(notice: WorkerNotice): void {
    this.#listener?.(notice);
  }

  /** Neither its own render nor another call gets an answer. */
  get #isStill(): boolean {
    return this.#hungSinceMs !== null || this.isStopped;
  }

  #use(): CardUse {
    const { catalog } = this.#world;
    return {
      model: this.model === null ? null : catalog.entryOf(this.model),
      profile: this.profile,
      render: this.#render === null ? null : envelopeOf(catalog, this.#render.order.request),
      leakBytes: this.leakBytes,
      cachedBytes: this.cachedBytes,
    };
  }

  memory(): DeviceMemory {
    return memoryOf(this.#use(), this.#world.weather.neighbourBytesOf(this.deviceUuid));
  }

  #refusalOf(phase: WorkerFailure["phase"], wantedBytes: number): WorkerFailure | null {
    return refusalOf(this.#world.weather, this.deviceUuid, this.#use(), phase, wantedBytes);
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
    return attachReportOf({
      render: this.#render,
      result: this.#result,
      failed: this.#failure,
      model: this.model,
      profile: this.profile,
      standstillMs: this.#world.clock.nowMs() - this.#movedAtMs,
    });
  }

  acknowledge(jobId: string, fence: number): void {
    if (this.#result?.jobId === jobId && this.#result.fence === fence) this.#result = null;
    if (this.#failure?.order.jobId === jobId && this.#failure.order.fence === fence) this.#failure = null;
  }

  generate(order: GenerateOrder): void {
    if (this.#render !== null) throw new WorkerError("WORKER_ERROR", "busy with another job");
    this.#result = null;
    this.#failure = null;
    this.cachedBytes = cacheBytes;
    const resumedFromStep = Math.min(order.request.steps, this.#world.checkpoints.get(order.jobId) ?? 0);
    this.#render = {
      order,
      resumedFromStep,
      beganAtMs: this.#world.clock.nowMs(),
      phase: "encode",
      step: 0,
      timer: undefined,
      stepsRendered: 0,
    };
    this.#schedule();
  }

  #schedule(): void {
    const render = this.#render;
    if (render === null) return;
    this.#movedAtMs = this.#world.clock.nowMs();
    render.timer = this.#world.clock.setTimer(() => this.#turn(render), this.#world.stepMs * this.#slowness);
  }

  #turn(render: Render): void {
    if (!this.isAlive || this.#isStill || this.#render !== render) return;
    if (this.#firesArmed(render)) return;
    const refusal = this.#refusalOf(render.phase, allocatedByModel(this.#use()));
    if (refusal !== null) {
      this.#fail(render, refusal);
      return;
    }
    render.step += 1;
    if (render.phase === "denoise") {
      render.stepsRendered += 1;
      if (render.step % this.#world.checkpointEverySteps === 0)
        this.#world.checkpoints.set(render.order.jobId, render.step);
    }
    this.#send({
      kind: "progress",
      jobId: render.order.jobId,
      fence: render.order.fence,
      phase: render.phase,
      step: render.step,
      of: lengthOf(render),
    });
    if (render.step >= lengthOf(render)) this.#nextPhase(render);
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
    this.#result = reportOf(render, this.memory(), this.#world.clock.nowMs());
    if (isTold) this.#send({ kind: "completed", report: this.#result });
  }

  /** A device that is not usable any more ends its process. */
  #fail(
    render: Render,
    { exceptionType, message, deviceUsable }: Pick<WorkerFailure, "exceptionType" | "message" | "deviceUsable">,
  ): void {
    this.#render = null;
    const { phase, step, order } = render;
    const failure: WorkerFailure = {
      phase,
      step,
      exceptionType,
      message,
      causes: [],
      deviceUsable,
      memory: this.memory(),
    };
    this.#failure = { order, failure };
    this.#send({ kind: "failed", jobId: order.jobId, fence: order.fence, failure });
    if (deviceUsable === false) this.#world.clock.setTimer(() => this.die({ code: 75, signal: null }), 20);
  }

  #raise(render: Render, errorName: string): void {
    if (errorName === "request") this.#world.blamedJobs.add(render.order.jobId);
    this.#fail(render, raisedFailure(errorName));
  }

  /** What was armed for this worker comes first; a defect of the job's own comes on every worker alike. */
  #metBy({ order, phase, step }: Render): Armed | null {
    const { armed } = this;
    if (armed === null || phase !== armed.phase || step < armed.atStep)
      return meetDefect(this.#world, order.request.seed, phase, step);
    this.armed = null;
    this.#world.onStruck(armed.fault, order.jobId);
    return armed;
  }

  #firesArmed(render: Render): boolean {
    const armed = this.#metBy(render);
    if (armed === null) return false;
    const plays: Readonly<Record<ArmedFault, () => void>> = {
      crash: () => this.die({ code: null, signal: "SIGSEGV" }),
      exit: () => this.die({ code: 1, signal: null, logTail: failureTexts.traceback }),
      hang: () => {
        this.freeze();
        this.#isSilent = true;
      },
      stop: () => {
        this.isStopped = true;
      },
      slow: () => {
        this.#slowness = slowFactor;
      },
      leak: () => {
        this.leakBytes += 8 * gibibyte;
      },
      // The connection breaks; the render goes on, and nobody hears of it.
      cut: () => this.#onReplaced?.(),
      // The file is complete, and the process ends before it could say so.
      lost: () => {
        this.#complete(render, true, false);
        this.die({ code: null, signal: "SIGKILL" });
      },
      silent: () => {
        this.#isSilent = true;
      },
      stall: () => this.freeze(),
      oom: () => this.#fail(render, { ...failureTexts.outOfMemory, deviceUsable: true }),
      poison: () => this.#fail(render, { ...failureTexts.poisoned, deviceUsable: false }),
      raise: () => this.#raise(render, armed.errorName ?? "model-file"),
      corrupt: () => this.#complete(render, false),
    };
    plays[armed.fault]();
    return !goesOn.includes(armed.fault);
  }

  async cancel(jobId: string, fence: number): Promise<void> {
    const render = this.#render;
    if (render === null || render.order.jobId !== jobId || render.order.fence !== fence) return;
    if (this.#isStill) await never();
    await this.#world.clock.sleep(this.#world.stepMs / 2);
    this.#world.clock.clearTimer(render.timer);
    if (this.#render === render) this.#render = null;
  }

  async load(model: ModelId, profile: LoadProfile): Promise<{ memory: DeviceMemory; tookMs: number }> {
    if (this.#isStill) await never();
    for (const ratio of [0.25, 0.5, 0.75, 1]) {
      await this.#world.clock.sleep(500);
      const message = ratio === 0.5 ? this.#loadRefusal(model, profile) : null;
      if (message !== null) {
        this.model = null;
        throw new WorkerError("WORKER_ERROR", message, { retryable: true });
      }
      this.#send({ kind: "loadProgress", model, ratio });
    }
    this.model = model;
    this.profile = profile;
    this.cachedBytes = 0;
    return { memory: this.memory(), tookMs: 2_000 };
  }

  #loadRefusal(model: ModelId, profile: LoadProfile): string | null {
    if (this.#world.brokenModels.has(model)) return libraryFailure("model-file", () => undefined).message;
    if (this.bad.loads === 0)
      return this.#refusalOf("load", residentBytes(this.#world.catalog.entryOf(model), profile))?.message ?? null;
    this.bad.loads -= 1;
    return "CUDA out of memory. Tried to allocate 2.00 GiB.";
  }

  async probe(order: ProbeOrder): Promise<ProbeReport> {
    if (this.#isStill) await never();
    await this.#world.clock.sleep(200);
    const isBad = this.bad.probes > 0;
    if (isBad) this.bad.probes -= 1;
    const wantedBytes =
      order.kind === "phase" && this.profile !== null
        ? peakBytes(this.#world.catalog.entryOf(order.request.model), order.request, this.profile)
        : residentOf(this.#use()) + gibibyte;
    const failure =
      this.#refusalOf(order.kind === "phase" ? order.phase : "denoise", wantedBytes) ??
      failureInProof(this.#world, order, this.memory());
    return { passed: this.model !== null && !isBad && failure === null, expertsUsed: 2, tookMs: 200, failure };
  }

  /** It renders nothing now, and a test render of this model would pass, after a load where that is needed. */
  couldRender(model: ModelId): boolean {
    const { catalog, brokenModels, weather } = this.#world;
    if (weather.sickness.isSick(this.deviceUuid)) return false;
    if (!this.isAlive || !this.isConnectable || this.#isStill || this.#isSilent || this.#render !== null) return false;
    if (this.bad.probes + this.bad.loads > 0 || brokenModels.has(model)) return false;
    return this.#refusalOf("denoise", residentBytes(catalog.entryOf(model), "full") + gibibyte) === null;
  }

  /** Something is wrong with it that nobody can have noticed yet. */
  get isSick(): boolean {
    const isWeak = this.#slowness > 1 || this.leakBytes > 0 || this.bad.probes + this.bad.loads > 0;
    return isWeak || this.#isStill || this.#isSilent || this.armed !== null;
  }

  /** The main thread does nothing any more, with or without a render; heartbeats go on. */
  freeze(): void {
    this.#hungSinceMs ??= this.#world.clock.nowMs();
  }

  /** SIGCONT: since SIGSTOP nothing of the process ran. */
  resume(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    if (this.#isTermPending) this.terminate();
    else this.#schedule();
  }

  die(exit: WorkerEnd): void {
    if (!this.isAlive) return;
    this.end = exit;
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
    if (this.#isStill) await never();
    this.terminate();
  }

  /** SIGTERM: a process that stands still as a whole hears nothing but SIGKILL. */
  terminate(code = 0): void {
    this.#isTermPending = this.isStopped;
    if (this.isStopped || (this.#hungSinceMs !== null && this.#isSilent)) return;
    const render = this.#render;
    if (render !== null && render.phase === "denoise") this.#world.checkpoints.set(render.order.jobId, render.step);
    this.#world.clock.setTimer(() => this.die({ code, signal: null }), 100);
  }
}
