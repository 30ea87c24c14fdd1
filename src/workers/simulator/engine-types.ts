import type { Clock } from "../../core/clock.ts";
import type { GenerateOrder, WorkerNotice } from "../../core/ports/worker.ts";
import { secondMs } from "../../core/units.ts";
import type { Phase } from "../../core/words.ts";
import type { ClipLook } from "../../media/frame-painter.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SimulatedDevice } from "./device.ts";
import type { FaultCard } from "./fault-cards.ts";

/** A simulated step takes this share of a real H100's (design §11). */
export const timeShare = 0.02;
export const encodeSteps = 1;
export const decodeShare = 4;
export const loadMs = 1_200;
/** At most this much work is lost with a worker. */
export const checkpointEveryMs = 30 * secondMs;

export interface EngineOptions {
  readonly clock: Clock;
  readonly device: SimulatedDevice;
  readonly speed: number;
  readonly cards: readonly FaultCard[];
  readonly notify: (notice: WorkerNotice) => void;
  readonly onState: () => void;
  readonly exit: (code: number) => void;
  readonly silence: () => void;
  readonly lie: () => void;
  /** Blocks this thread for good. */
  readonly block: () => void;
}

export interface Render {
  readonly order: GenerateOrder;
  readonly checkpoint: Checkpoint;
  readonly cards: readonly FaultCard[];
  readonly startedAtMs: number;
  readonly abort: AbortController;
  readonly resumedFromStep: number;
  phase: Phase;
  step: number;
  of: number;
  stepsRendered: number;
  slowFactor: number;
}

export class SimulatedFailure extends Error {
  readonly exceptionType: string;
  readonly isPoisoned: boolean;
  constructor(exceptionType: string, message: string, isPoisoned = false) {
    super(message);
    this.exceptionType = exceptionType;
    this.isPoisoned = isPoisoned;
  }
}

export class Busy extends Error {}

export function poisoned(): SimulatedFailure {
  return new SimulatedFailure(
    "torch.AcceleratorError",
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at some other API call",
    true,
  );
}

/** What the clip shows. `isBlack` leaves nothing to see, as a decoder that gave up does. */
export function lookOf(request: GenerateOrder["request"], isBlack: boolean): ClipLook {
  return {
    width: request.width,
    height: request.height,
    frames: request.frames,
    headline: "SIMULATED",
    prompt: request.prompt.replaceAll(/\[\[sim:[^\]]*\]\]/g, "").trim(),
    facts: [request.model, `${request.width}x${request.height}, seed ${request.seed}`],
    hue: request.seed % 360,
    isStriped: false,
    isBlack,
  };
}
