/** One simulated render from its first phase to its file, with the faults that are due on the way. */
import { renameSync, writeFileSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { legalEnvelope } from "../../core/model-figures.ts";
import { sizeText } from "../../core/pixel-size.ts";
import type { GenerateOrder, RenderReport, WorkerNotice } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import { type Phase, phases } from "../../core/words.ts";
import type { ClipLook } from "../../media/frame-painter.ts";
import { renderClip } from "../../media/render-clip.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import type { SimulatedDevice } from "./device.ts";
import { cardsInPrompt, type FaultCard } from "./fault-cards.ts";
import type { FaultQueue, JobCards } from "./fault-queue.ts";
import type { Placement } from "./placement.ts";

const encodeSteps = 1;
const encodeMs = 60;
const decodeSteps = 4;
/** At most this much of a real card's work is lost with a worker. */
const checkpointEveryMs = 30 * secondMs;
/** Muxing is told in at most so many parts. */
const muxParts = 10;

export interface RunTools {
  readonly catalog: ModelCatalog;
  readonly clock: Clock;
  readonly device: SimulatedDevice;
  readonly placement: Placement;
  readonly queue: FaultQueue;
  readonly notify: (notice: WorkerNotice) => void;
  readonly onState: () => void;
  readonly play: (run: RenderRun, card: FaultCard) => Promise<void>;
}

/** The look of the clip. A black one leaves nothing to see, as a decoder that gave up does. */
function lookOf(request: GenerateOrder["request"], isBlack: boolean): ClipLook {
  return {
    width: request.width,
    height: request.height,
    frames: request.frames,
    headline: "SIMULATED",
    prompt: request.prompt.replaceAll(/\[\[sim:[^\]]*\]\]/g, "").trim(),
    facts: [request.model, `${sizeText(request)}, seed ${request.seed}`],
    hue: request.seed % 360,
    isStriped: false,
    isBlack,
  };
}

/** One render: encode → denoise → decode → mux, from the job's checkpoint on, with the faults that are due. */
export class RenderRun {
  readonly order: GenerateOrder;
  readonly abort = new AbortController();
  phase: Phase = phases[0];
  step = 0;
  of = encodeSteps;
  slowFactor = 1;
  #stepsRendered = 0;
  readonly #resumedFromStep: number;
  readonly #checkpoint: Checkpoint;
  readonly #jobCards: JobCards;
  readonly #tools: RunTools;

  constructor(order: GenerateOrder, tools: RunTools) {
    this.order = order;
    this.#tools = tools;
    this.#checkpoint = readCheckpoint(order.checkpointDir, order.request);
    this.#resumedFromStep = this.#checkpoint.denoiseSteps;
    this.#jobCards = {
      cards: cardsInPrompt(order.request.prompt),
      fired: this.#checkpoint.fired,
      save: () => this.save(),
    };
  }

  save(): void {
    writeCheckpoint(this.order.checkpointDir, this.order.request, this.#checkpoint);
  }

  /** Rejects with the fault that was met, or with the abort's reason. */
  async run(): Promise<Omit<RenderReport, "heldBytes">> {
    const { catalog, device, placement, clock } = this.#tools;
    const { request } = this.order;
    const startedAtMs = clock.nowMs();
    device.resetPeak();
    await this.#steps("encode", encodeSteps, 0, encodeMs);
    const stepMs = placement.stepMs(request);
    this.#enter("denoise", request.steps, this.#checkpoint.denoiseSteps);
    device.reserveWorking(placement.workingBytes(request));
    await this.#steps("denoise", request.steps, this.#checkpoint.denoiseSteps, stepMs);
    await this.#steps("decode", decodeSteps, 0, stepMs);
    await this.#mux();
    const rendered = legalEnvelope(catalog.entryOf(request.model), request);
    return {
      jobId: this.order.jobId,
      fence: this.order.fence,
      outputPath: this.order.outputPath,
      frames: request.frames,
      renderedWidth: rendered.width,
      renderedHeight: rendered.height,
      stepsRendered: this.#stepsRendered,
      resumedFromStep: this.#resumedFromStep,
      renderMs: clock.nowMs() - startedAtMs,
      peakBytes: device.memory().peakBytes,
    };
  }

  #enter(phase: Phase, of: number, step: number): void {
    this.phase = phase;
    this.of = of;
    this.step = step;
  }

  #tell(): void {
    const { order, phase, step, of } = this;
    this.#tools.notify({ kind: "progress", jobId: order.jobId, fence: order.fence, phase, step, of });
    this.#tools.onState();
  }

  async #steps(phase: Phase, of: number, from: number, eachMs: number): Promise<void> {
    this.#enter(phase, of, from);
    this.#tell();
    const saveEvery = Math.max(1, Math.floor(checkpointEveryMs / this.#tools.placement.realStepMs(this.order.request)));
    while (this.step < of) {
      await this.#playDue();
      await this.#tools.clock.sleep(eachMs * this.slowFactor, this.abort.signal);
      this.step += 1;
      if (phase === "denoise") this.#noteDenoised(saveEvery);
      this.#tell();
    }
  }

  #noteDenoised(saveEvery: number): void {
    this.#stepsRendered += 1;
    this.#checkpoint.denoiseSteps = this.step;
    if (this.step % saveEvery === 0 || this.step === this.of) this.save();
  }

  /** Plays the fault that is due at this step, if there is one. */
  async #playDue(): Promise<void> {
    const { phase, step } = this;
    const isDue = (card: FaultCard): boolean =>
      card.name !== "corrupt" && card.name !== "black" && (card.phase ?? "denoise") === phase && step >= card.step;
    // An armed refusal waits for the load itself; one that came with a job is armed by it.
    const card =
      this.#tools.queue.take((armed) => armed.name !== "refuse-load" && isDue(armed)) ??
      this.#tools.queue.takeOfJob(isDue, this.#jobCards);
    if (card !== null) await this.#tools.play(this, card);
  }

  #isFileFault(name: FaultCard["name"]): boolean {
    const isIt = (card: FaultCard): boolean => card.name === name;
    return (this.#tools.queue.take(isIt) ?? this.#tools.queue.takeOfJob(isIt, this.#jobCards)) !== null;
  }

  async #mux(): Promise<void> {
    const { request, outputPath } = this.order;
    this.#enter("mux", request.frames, 0);
    this.#tell();
    await this.#playDue();
    const tellEvery = Math.max(1, Math.floor(request.frames / muxParts));
    await renderClip({
      outputPath,
      look: lookOf(request, this.#isFileFault("black")),
      framesPerSecond: request.framesPerSecond,
      onFrame: async (index) => {
        this.step = index + 1;
        if (this.step % tellEvery !== 0 && this.step !== request.frames) return;
        this.#tell();
        // The turn is for the heartbeat and for calls, because muxing is this thread's longest work.
        await this.#tools.clock.turn();
        this.abort.signal.throwIfAborted();
      },
    });
    if (this.#isFileFault("corrupt")) {
      writeFileSync(`${outputPath}.bad`, "this is not a video");
      renameSync(`${outputPath}.bad`, outputPath);
    }
  }
}
