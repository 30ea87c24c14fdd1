/**
 * The sample values that explorations and machine tests share: leases, workers, faults, and how far the bounded worlds
 * go.
 */
import type { Lease } from "../../src/core/job.ts";
import type { ProcessRef, RenderReport } from "../../src/core/ports/worker.ts";
import type { ConnectedWorker } from "../../src/machines/worker-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { explorationClock } from "./explore.ts";

/** Stands for the parent in pure transitions; nothing is ever delivered. */
class Nobody {
  readonly id = "nobody";
  readonly sessionId = "nobody";
  send(): void {}
  getSnapshot(): undefined {
    return undefined;
  }
}

/** How far the bounded worlds go. Two is the least that shows an order, an overflow and a return. */
export const bounds = {
  budget: 2,
  climbs: 2,
  breakerRepairs: 2,
  deaths: 2,
  loads: 2,
  incidents: 2,
  workers: 1,
} as const;

export const about = { parent: new Nobody(), clock: explorationClock, workerId: "w0" };
/** An error that a job reported: a question until a test render answers it. */
export const fault = classify({ message: "odd" });
export const death = classify({ exitSignal: "SIGSEGV" });
export const poisoned = classify({ exitCode: 75 });
export const outOfMemory = classify({ message: "CUDA out of memory" });

export const lease: Lease = {
  jobId: "j1",
  fence: 1,
  attempt: 1,
  hostLosses: 0,
  untilMs: explorationClock.startMs + 30_000,
  workerId: "w0",
  isCancelRequested: false,
  plan: null,
  spec: {
    workflow: null,
    consent: { fallback: "stand_in_then_real", allow: [], floor: null },
    request: {
      model: "T2V-A14B",
      prompt: "",
      width: 832,
      height: 480,
      frames: 81,
      framesPerSecond: 16,
      steps: 40,
      seed: 1,
      loraPath: null,
      loraStrength: 1,
    },
  },
};

export const rendered: RenderReport = {
  jobId: "j1",
  fence: 1,
  outputPath: "out.mp4",
  frames: 81,
  renderedWidth: 832,
  renderedHeight: 480,
  stepsRendered: 40,
  resumedFromStep: 0,
  renderMs: 1,
  peakBytes: 1,
  heldBytes: 1,
};

export const processRef: ProcessRef = {
  workerId: "w0",
  pid: 7,
  startTicks: 1,
  bootId: "b",
  socketPath: "s",
  token: "t",
};

export const connectedWorker: ConnectedWorker = {
  ref: processRef,
  lease: null,
  identity: {
    pid: 7,
    kind: "simulator",
    isSimulated: true,
    device: { uuid: "g0", name: "card", totalBytes: 1 },
    models: ["T2V-A14B"],
    profiles: ["full"],
    actions: [],
    phases: [],
  },
  attach: {
    jobId: null,
    fence: null,
    phase: null,
    step: null,
    of: null,
    result: null,
    failure: null,
    residentModel: null,
    profile: null,
  },
};
