/** What describes a simulated worker and the world around it: its faults, its files and its cards. */
import type { Chance } from "../../src/core/chance.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { ModelCatalog } from "../../src/core/model-catalog.ts";
import type { MachineEvidence } from "../../src/core/ports/telemetry-probe.ts";
import type { GenerateOrder } from "../../src/core/ports/worker.ts";
import { gibibyte } from "../../src/core/units.ts";
import type { ModelId, Phase } from "../../src/core/words.ts";
import type { DefectWorld } from "./job-defects.ts";
import type { SickCards } from "./sick-cards.ts";

export const deviceTotalBytes = 80 * gibibyte;

/** What happens to the attempt that it is armed for. */
export const armedFaults = [
  "crash",
  "exit",
  "hang",
  "stop",
  "stall",
  "slow",
  "leak",
  "oom",
  "poison",
  "raise",
  "corrupt",
  "silent",
  "cut",
  "lost",
] as const;
export type ArmedFault = (typeof armedFaults)[number];

export interface Armed {
  readonly fault: ArmedFault;
  readonly phase: Phase;
  readonly atStep: number;
  /** `raise`: the name of a library's error. */
  readonly errorName?: string;
}

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
  /** What kernel and card tell of it. */
  readonly machine?: MachineEvidence;
}

interface SimFile {
  readonly plays: boolean;
  readonly madeBy: "worker" | "media";
  readonly order: GenerateOrder;
}

/** What surrounds the cards: others may take their memory, heat them up or lose them. */
export interface DeviceWeather {
  neighbourBytesOf(deviceUuid: string): number;
  isLost(deviceUuid: string): boolean;
  readonly sickness: Pick<SickCards, "isSick" | "meet">;
}

export interface SimWorkerWorld extends DefectWorld {
  readonly clock: Clock;
  readonly chance: Chance;
  /** As the workers of this world know their models; the service has its own. */
  readonly catalog: ModelCatalog;
  readonly weather: DeviceWeather;
  /** Models whose files on the disk are broken: they cannot be loaded. */
  readonly brokenModels: ReadonlySet<ModelId>;
  /** Checkpoints outlive workers: denoise steps done, by job. */
  readonly checkpoints: Map<string, number>;
  /** Files by path, and who really made them. */
  readonly files: Map<string, SimFile>;
  /** Attempts (`job:fence`) whose result was complete while no supervisor listened. */
  readonly keptAttempts: Set<string>;
  /** Jobs whose own request a worker called wrong: these may fail. */
  readonly blamedJobs: Set<string>;
  /** The world did something to a worker, and to the job in its hand. */
  readonly onStruck: (what: string, jobId: string | null) => void;
  readonly stepMs: number;
  readonly heartbeatMs: number;
  readonly checkpointEverySteps: number;
}
