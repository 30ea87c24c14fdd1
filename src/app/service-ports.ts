import type { Config } from "../config/schema.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ArtifactFiles, DiskGauge } from "../core/ports/artifact-files.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { GpuAdapter } from "../core/ports/gpu-adapter.ts";
import type { Media } from "../core/ports/media.ts";
import type { ModelDesk } from "../core/ports/model-desk.ts";
import type { TelemetryProbe } from "../core/ports/telemetry-probe.ts";
import type { WebhookSender } from "../core/ports/webhook-sender.ts";
import type { WorkerHost } from "../core/ports/worker.ts";
import type { ModelId } from "../core/words.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics/metrics.ts";
import type { DrillState } from "./drills/drill-state.ts";
import type { DiskWatch } from "./health/disk-watch.ts";
import type { HostMemory } from "./health/host-memory.ts";
import type { SampleBoard } from "./health/sample-history.ts";
import type { LoadGate } from "./models/load-gate.ts";
import type { ProfileBook } from "./models/loaded-profiles.ts";
import type { AsideModels } from "./models/unavailable-models.ts";
import type { ClipBook, EnvelopeBook, StepBook } from "./rendering/learned.ts";
import type { ProgressBoard } from "./rendering/progress-tracker.ts";
import type { WorkerLinks } from "./workers/worker-links.ts";

/** The outside world of one service. The simulation gives another one. */
export interface ServicePorts {
  readonly clock: Clock;
  readonly chance: Chance;
  /** The models that this service knows. */
  readonly catalog: ModelCatalog;
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly disk: DiskGauge;
  readonly media: Media;
  readonly host: WorkerHost;
  readonly probe: TelemetryProbe;
  readonly webhooks: WebhookSender;
  readonly logger: Logger;
  /** Null where every worker is simulated: their models have no files. */
  readonly models: ModelPorts | null;
}

export interface ModelPorts {
  readonly desk: ModelDesk;
  /** From now on workers find the model's files here. */
  place(model: ModelId, folder: string): void;
}

/** The outside world and what the parts of one service share in memory. */
export interface ServiceParts extends ServicePorts {
  readonly config: Config;
  readonly epoch: number;
  readonly links: WorkerLinks;
  readonly progress: ProgressBoard;
  readonly samples: SampleBoard;
  readonly profiles: ProfileBook;
  readonly gpu: GpuAdapter;
  readonly diskWatch: DiskWatch;
  readonly drill: DrillState;
  readonly envelopes: EnvelopeBook;
  readonly steps: StepBook;
  readonly clips: ClipBook;
  readonly hostMemory: HostMemory;
  readonly loadGate: LoadGate;
  readonly asides: AsideModels;
  readonly metrics: Metrics;
}
