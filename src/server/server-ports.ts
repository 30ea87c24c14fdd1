/**
 * Everything that the server asks of the rest: stores to read, snapshots to show, and a few requests to send. src/app
 * provides it; the server knows neither machines nor adapters. Expected outcomes are values; what is thrown is an
 * UnderstudyError, whose code decides the HTTP status.
 */

import type { RecoveryAnalytics } from "../contract/analytics-wire.ts";
import type { IncidentStory } from "../contract/incident-story.ts";
import type {
  DownloadAnswer,
  DownloadView,
  FileCheckView,
  ModelView,
  SuggestionView,
} from "../contract/model-views.ts";
import type {
  EstimateView,
  HealthView,
  RecoveryAttemptView,
  RecoveryReset,
  RecoveryTriggered,
  ServiceStatus,
  UnreadyReason,
  WorkerStatus,
} from "../contract/service-views.ts";
import type { AdmissionOutcome, Submission } from "../contract/submission.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import type { ScoreCard } from "../core/drill.ts";
import type { JobProgress, JobSpec, JobView } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ArtifactFiles } from "../core/ports/artifact-files.ts";
import type { EventLog, IncidentStore } from "../core/ports/event-log.ts";
import type { ActorName, JobStore } from "../core/ports/job-store.ts";
import type { KeyStore } from "../core/ports/key-store.ts";
import type { InspectorFeed, MachineFeed, MachineStep } from "../core/ports/machine-feed.ts";
import type { Media } from "../core/ports/media.ts";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import type { WebhookOutbox } from "../core/ports/webhook-outbox.ts";
import type { WebhookSender } from "../core/ports/webhook-sender.ts";
import type { FailureType, Mode, PromiseKind } from "../core/words.ts";

export type {
  HealthView,
  RecoveryAttemptView,
  RecoveryReset,
  RecoveryTriggered,
  ServiceStatus,
  UnreadyReason,
  WorkerStatus,
};

export interface ServerPorts {
  readonly jobs: Pick<JobStore, "get" | "list" | "counts" | "findArtifact">;
  readonly quarantine: QuarantinePort;
  readonly webhooks: WebhookPort;
  readonly events: Pick<EventLog, "range" | "newestSeq" | "oldestSeq" | "subscribe" | "note">;
  readonly keys: Pick<KeyStore, "find" | "hasAny">;
  readonly artifacts: Pick<ArtifactFiles, "read">;
  readonly images: Pick<Media, "imageProblemOf">;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly catalog: ModelCatalog;
  readonly admission: AdmissionPort;
  /** A cheap read of the machines' snapshots: it is called for every answer that shows the service's state. */
  status(): ServiceStatus;
  /** Where a running job is; null when it is not running. */
  progressOf(jobId: string): JobProgress | null;
  readonly outlook: OutlookPort;
  readonly recovery: RecoveryPort;
  readonly incidents: IncidentPort;
  readonly control: ControlPort;
  readonly intake: IntakePort;
  readonly drills: DrillPort;
  readonly machines: MachinePort;
  readonly models: ModelPort;
  readonly streams: StreamPort;
  readonly telemetry: TelemetryPort;
  /** The LoRA files that a job may name, by name. */
  listLoras(): Promise<readonly LoraFile[]>;
  /** The text of one scrape. */
  metrics(listenerCount: number): Promise<string>;
  /** Called for every answer; the bodies and addresses are not in it. */
  onAnswered(answer: AnsweredRequest): void;
  /** A page of this origin was refused; the operator may want to let it in. */
  onOriginRefused(origin: string): void;
  /** Called for what is a defect of this program, once each, before the answer says INTERNAL_ERROR. Never with a body or a prompt. */
  onDefect(thrown: unknown, request: DefectiveRequest): void;
}

export interface AnsweredRequest {
  readonly requestId: string;
  /** The caller's key; null where the request was refused before anybody asked whose it is. */
  readonly keyId: string | null;
  readonly method: string;
  /** The route's pattern; `unmatched` where no route is. */
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
  readonly jobId: string | null;
  readonly incidentId: string | null;
}

interface DefectiveRequest {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
}

export interface AdmissionPort {
  /**
   * The job is durable when this resolves. Throws UnderstudyError DRAINING, INTAKE_DRAINED, STORE_UNAVAILABLE,
   * STORE_CORRUPT.
   */
  submit(submission: Submission): Promise<AdmissionOutcome>;
  /** How such a job would be rendered now; a sentence where nothing can be said of it. */
  estimateOf(spec: JobSpec): EstimateView | string;
}

/** What a job that has not ended can expect, as far as something is known. */
export interface JobOutlook {
  /** The place in the queue: 1 for the next one; null when the job does not wait. */
  readonly queuePosition: number | null;
  /** The time until its real result, by what renders of this service took; null while nothing is known. */
  readonly etaMs: number | null;
  /** What it gets as things stand; null when it does not wait. */
  readonly promised: { readonly kind: PromiseKind; readonly sentence: string } | null;
  readonly incidentId: string | null;
}

export interface OutlookPort {
  of(job: JobView): Promise<JobOutlook>;
}

export interface RecoveryPort {
  /** Answers when the climb has ended, or after `waitMs` with `isPending`. 0 answers at once. */
  trigger(order: RecoveryOrder): Promise<RecoveryTriggered>;
  /** Clears cooldowns and stand-in state and proves the main model; answers within 10 s. */
  reset(by: ActorName): Promise<RecoveryReset>;
  /** A fresh measurement; one that cannot be made is a view with `overallStatus: "error"`, not a rejection. */
  checkHealth(): Promise<HealthView>;
  /** Turns monitoring on or off; false when it was so already. */
  setMonitoring(isOn: boolean, by: ActorName): Promise<boolean>;
}

export interface IncidentPort {
  list: IncidentStore["list"];
  /** Null when there is none, or it is no longer kept. */
  find(id: string): Promise<IncidentStory | null>;
  analytics(sinceMs: number): Promise<RecoveryAnalytics>;
}

export interface TelemetryPort {
  /**
   * Resolves with a sample of now, or of the last two. Rejects with UnderstudyError SYSTEM_RESOURCE when nothing can be
   * measured.
   */
  measure(): Promise<Sample>;
  /** Samples, oldest first, of at most a day. */
  since(fromMs: number): readonly Sample[];
}

export interface LoraFile {
  /** The path is relative to the LoRA directory. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
}

export interface RecoveryOrder {
  readonly failureType: FailureType;
  /** The worker to repair; null means the worker that is in trouble, or the first one. */
  readonly workerId: string | null;
  /** The climb happens although a test render passes, and suspends the job in hand. */
  readonly isForced: boolean;
  readonly waitMs: number;
  readonly by: ActorName;
}

export interface ControlPort {
  cancelJob(jobId: string, by: ActorName): Promise<"cancelled" | "requested" | "ended" | "absent">;
  /** Ends what is still owed of a job, and deletes it with its files. `stopping`: its render has not let the card go yet. */
  removeJob(jobId: string, by: ActorName): Promise<"removed" | "stopping" | "absent">;
  /** Simulators only: ends the worker's process with SIGKILL. Null takes the one that carries the main model. */
  killWorker(workerId: string | null, by: ActorName): Promise<KillOutcome>;
}

/** What an operator does with a job that was set aside. */
export interface QuarantinePort {
  release(jobId: string, by: ActorName): Promise<"ok" | "refused" | "absent">;
  drop(jobId: string, by: ActorName): Promise<"ok" | "refused" | "absent">;
}

/** What webhooks were told, and whether an address may be one. */
type WebhookPort = Pick<WebhookOutbox, "listOf"> & Pick<WebhookSender, "problemOf">;

/** Where a pause or its end has got to. */
export interface IntakeView {
  readonly isPaused: boolean;
  /** Nothing new is accepted. */
  readonly isDrained: boolean;
  /** Workers whose process has ended, so that their card is free. */
  readonly restingWorkers: readonly string[];
  /** Workers that still hold their card: a job or a repair ends first. */
  readonly holdingWorkers: readonly string[];
}

export interface IntakePort {
  view(): IntakeView;
  /** Workers take no new job; with `isReleasing` they end when idle. Waits for that at most `waitMs`. */
  pause(order: { readonly isReleasing: boolean; readonly waitMs: number; readonly by: ActorName }): Promise<IntakeView>;
  /** Submissions are refused from now on; what was accepted is rendered. */
  drain(by: ActorName): Promise<IntakeView>;
  /** Ends a pause and a drain. */
  resume(by: ActorName): Promise<IntakeView>;
}

interface DrillPort {
  list(): Promise<
    readonly {
      readonly name: string;
      readonly description: string;
      readonly obstacle: string | null;
      readonly cards: readonly ScoreCard[];
    }[]
  >;
  /** Resolves when the drill has ended; null for an unknown name. Throws UnderstudyError DRILL_NOT_POSSIBLE. */
  run(name: string, by: ActorName): Promise<ScoreCard | null>;
}

interface MachinePort extends MachineFeed {
  /** The feed of the inspector; null unless the service was started for inspection. */
  readonly inspector: InspectorFeed | null;
}

/** Models as the routes use them. `absent` means that there is no model of this name. */
export interface ModelPort {
  list(): Promise<readonly ModelView[]>;
  find(model: string): Promise<ModelView | null>;
  downloads(): Promise<readonly DownloadView[]>;
  /** Answers when it has ended, or after `waitMs`. Throws UnderstudyError MODEL_DOES_NOT_FIT, DRAINING. */
  download(order: {
    readonly model: string;
    readonly isForced: boolean;
    readonly isAnyway: boolean;
    readonly waitMs: number;
  }): Promise<DownloadAnswer | "absent">;
  /** False where there was nothing to pause, to resume or to cancel. */
  manage(model: string, action: "pause" | "resume" | "cancel"): Promise<boolean | "absent">;
  /** @param isRehash reads every byte again */
  verify(model: string, isRehash: boolean): Promise<FileCheckView | "absent">;
  hardware(): {
    readonly card: string | null;
    readonly cardBytes: number | null;
    readonly hostBytes: number | null;
  } | null;
  /** Throws UnderstudyError MODEL_DOES_NOT_FIT when nothing would be carried. */
  suggest(wish: {
    readonly model: string;
    readonly width: number;
    readonly height: number;
    readonly maxWaitMs: number | null;
  }): SuggestionView | "absent";
}

type KillOutcome =
  | { readonly kind: "killed"; readonly workerId: string; readonly pid: number }
  | { readonly kind: "absent"; readonly message: string }
  | { readonly kind: "notSimulated"; readonly message: string };

/** A message that is no row of the event log: it is sent to those who listen, without a number. */
export type StreamFrame =
  | { readonly kind: "progress"; readonly progress: JobProgress }
  | { readonly kind: "health"; readonly health: HealthView }
  | { readonly kind: "sample"; readonly sample: Sample }
  | { readonly kind: "download"; readonly download: DownloadView }
  | { readonly kind: "mode"; readonly mode: Mode; readonly sentence: string }
  /** The mode is the same; what a video can count on is not. */
  | { readonly kind: "sentence"; readonly mode: Mode; readonly sentence: string }
  | { readonly kind: "step"; readonly step: MachineStep }
  | { readonly kind: "recoveryAttempt"; readonly attempt: RecoveryAttemptView };

export interface StreamPort {
  subscribe(listener: (frame: StreamFrame) => void): () => void;
}
