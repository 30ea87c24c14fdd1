/**
 * What the supervisor needs of a worker and of the host that runs it. Every kind of worker implements this, and
 * nothing above it knows which kind it is.
 */
import type { DeviceMemory, WorkerFailure } from "../fault.ts";
import type { RenderRequest } from "../job.ts";
import type { LoadProfile, ModelId, Phase, RecoveryAction } from "../words.ts";

/** A process, named so that a reused pid is never mistaken for it. */
export interface ProcessRef {
  readonly workerId: string;
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot; null where there is no /proc. */
  readonly startTicks: number | null;
  readonly bootId: string | null;
  readonly socketPath: string;
  readonly token: string;
}

export interface WorkerIdentity {
  readonly pid: number;
  readonly kind: string;
  readonly isSimulated: boolean;
  /** It takes the test cards of drills. */
  readonly playsFaults?: boolean;
  readonly device: { readonly uuid: string; readonly name: string; readonly totalBytes: number };
  readonly models: readonly ModelId[];
  readonly profiles: readonly LoadProfile[];
  readonly actions: readonly RecoveryAction[];
  readonly phases: readonly Phase[];
}

/** A request as a worker sees it: with the image's file instead of its name. */
export type WorkerRequest = Omit<RenderRequest, "imageName"> & { readonly imagePath?: string };

export interface GenerateOrder {
  readonly jobId: string;
  readonly fence: number;
  readonly request: WorkerRequest;
  readonly workflow: string | null;
  /** Where the finished file is to be written: absolute, inside the state directory. */
  readonly outputPath: string;
  /** Directory of checkpoints of this job; a newer attempt resumes from it. */
  readonly checkpointDir: string;
}

export interface RenderReport {
  readonly jobId: string;
  readonly fence: number;
  readonly outputPath: string;
  readonly frames: number;
  readonly renderedWidth: number;
  readonly renderedHeight: number;
  /** Denoise steps that this attempt rendered itself (not resumed ones). */
  readonly stepsRendered: number;
  readonly resumedFromStep: number;
  readonly renderMs: number;
  readonly peakBytes: number;
  /** What was allocated once the device was free of the job and before anything else began. */
  readonly heldBytes: number;
}

export type WorkerNotice =
  | {
      readonly kind: "progress";
      readonly jobId: string;
      readonly fence: number;
      readonly phase: Phase;
      readonly step: number;
      readonly of: number;
      readonly longPhaseMs?: number;
    }
  | { readonly kind: "loadProgress"; readonly model: ModelId; readonly ratio: number }
  | { readonly kind: "heartbeat"; readonly mainThreadIdleMs: number }
  | { readonly kind: "completed"; readonly report: RenderReport }
  | { readonly kind: "failed"; readonly jobId: string; readonly fence: number; readonly failure: WorkerFailure };

export interface AttachReport {
  /** Null when no render is in hand and no result is kept. */
  readonly jobId: string | null;
  readonly fence: number | null;
  readonly phase: Phase | null;
  readonly step: number | null;
  readonly of: number | null;
  readonly result: RenderReport | null;
  readonly failure: WorkerFailure | null;
  readonly residentModel: ModelId | null;
  readonly profile: LoadProfile | null;
  /** How long nothing of the render in hand has moved, declared long phases aside. Absent: the worker does not say. */
  readonly standstillMs?: number;
}

export interface WorkerActionReport {
  /** What was really applied, in the worker's words; empty when nothing was. */
  readonly applied: readonly string[];
  readonly before: DeviceMemory;
  readonly after: DeviceMemory;
}

export type ProbeOrder =
  | { readonly kind: "alive" }
  | { readonly kind: "canary"; readonly model: ModelId }
  | { readonly kind: "phase"; readonly phase: Phase; readonly request: WorkerRequest; readonly checkpointDir: string };

export interface ProbeReport {
  readonly passed: boolean;
  readonly expertsUsed: number;
  readonly tookMs: number;
  readonly failure: WorkerFailure | null;
}

export interface WorkerStats {
  readonly memory: DeviceMemory;
  readonly residentModel: ModelId | null;
  readonly profile: LoadProfile | null;
  readonly jobsDone: number;
}

/** One connection to one worker. Every call rejects with WorkerError when the connection ends; `signal` gives up waiting. */
export interface WorkerClient {
  readonly identity: WorkerIdentity;
  loadModel(
    order: { readonly model: ModelId; readonly profile: LoadProfile },
    signal?: AbortSignal,
  ): Promise<{ readonly memory: DeviceMemory; readonly tookMs: number }>;
  unloadModel(signal?: AbortSignal): Promise<{ readonly memory: DeviceMemory }>;
  /** Resolves when the worker has accepted; the end comes as a notice and is kept until acknowledged. */
  generate(order: GenerateOrder, signal?: AbortSignal): Promise<void>;
  attach(signal?: AbortSignal): Promise<AttachReport>;
  acknowledge(jobId: string, fence: number): Promise<void>;
  /** Resolves once the device is free of the job. */
  cancel(jobId: string, fence: number, signal?: AbortSignal): Promise<void>;
  runAction(
    order: { readonly action: RecoveryAction; readonly profile?: LoadProfile },
    signal?: AbortSignal,
  ): Promise<WorkerActionReport>;
  probe(order: ProbeOrder, signal?: AbortSignal): Promise<ProbeReport>;
  stats(signal?: AbortSignal): Promise<WorkerStats>;
  /** Asks for a clean end: checkpoint, then exit. Resolves when the worker has agreed. */
  shutdown(reason: string): Promise<void>;
  /** Simulators only: arms a fault, in the syntax of a test card without the brackets, for instance `oom@denoise:12`. */
  injectFault(card: string): Promise<void>;
  onNotice(listener: (notice: WorkerNotice) => void): () => void;
  onClose(listener: () => void): () => void;
  close(): void;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last 64 KiB of the log at most. */
  readonly logTail: string;
}

/** The operating system's side of workers. Only the worker machine's actors use it. */
export interface WorkerHost {
  /** Starts the process in its own group, logs to a file, writes run/<worker>.json. */
  spawn(workerId: string): Promise<ProcessRef>;
  /** Waits for the socket and shakes hands; a new connection with the token replaces the old one. */
  connect(ref: ProcessRef, signal: AbortSignal): Promise<WorkerClient>;
  /** The recorded process of an earlier supervisor when it is still alive (same start time, same boot). */
  findRecorded(workerId: string): Promise<ProcessRef | null>;
  /** Remembers the job in hand in run/<worker>.json, for adoption. */
  recordJob(workerId: string, job: { readonly jobId: string; readonly fence: number } | null): Promise<void>;
  /** Calls the listener once. A child tells its exit; an adopted process, which is no child, is polled. */
  onExit(ref: ProcessRef, listener: (exit: ProcessExit) => void): () => void;
  /** Signals the whole process group, helpers of the worker included; false when it is gone. */
  signal(ref: ProcessRef, signal: "SIGTERM" | "SIGKILL" | "SIGCONT" | "SIGSTOP"): boolean;
  /** True when the process is absent, a zombie, or another one under the same pid. */
  isGone(ref: ProcessRef): boolean;
  /** State letter of /proc/<pid>/stat; null when unknown. */
  stateLetter(ref: ProcessRef): string | null;
  /** The worker's program, or what it stands on, is another on the disk than when it was started last. */
  hasProgramChanged(workerId: string): boolean;
  forget(workerId: string): Promise<void>;
}
