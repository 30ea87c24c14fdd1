import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIncidentDesk } from "../../src/app/incidents/incident-reader.ts";
import { createJobOutlook } from "../../src/app/rendering/job-outlook.ts";
import { removeJob } from "../../src/app/rendering/remove-job.ts";
import { createSeededChance } from "../../src/core/chance.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { ArtifactRef, JobProgress, Lease, ServedBy } from "../../src/core/job.ts";
import { createModelCatalog, type ModelCatalog } from "../../src/core/model-catalog.ts";
import type { ArtifactFiles } from "../../src/core/ports/artifact-files.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import type { Media } from "../../src/core/ports/media.ts";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import { dayMs } from "../../src/core/units.ts";
import { type ArtifactKind, loadProfiles } from "../../src/core/words.ts";
import { createAdmission } from "../../src/jobs/admission.ts";
import { findImageProblem } from "../../src/media/image-probe.ts";
import { clipTimeOf, emptyClips } from "../../src/recovery/clip-time.ts";
import { recoveryStatistics } from "../../src/recovery/statistics.ts";
import { createApp } from "../../src/server/create-app.ts";
import type { AppOptions, ServerApp } from "../../src/server/http-types.ts";
import type {
  AnsweredRequest,
  HealthView,
  ModelPort,
  RecoveryOrder,
  RecoveryTriggered,
  ServerPorts,
  ServiceStatus,
  StreamFrame,
} from "../../src/server/server-ports.ts";
import { createArtifactFiles } from "../../src/store/artifact-files.ts";
import { openStore } from "../../src/store/open-store.ts";

export const healthy: HealthView = {
  overallStatus: "healthy",
  cpuRatio: 0.125,
  memoryRatio: 0.412,
  vramRatio: null,
  isGpuAvailable: true,
  isModelLoadingFunctional: true,
  isGenerationPipelineFunctional: true,
  issues: [],
  recommendations: [],
  checkedAtMs: 1_760_000_000_000,
};

export const ready: ServiceStatus = {
  mode: "ready",
  sentence: "A video made now comes from the main model.",
  isSimulated: true,
  model: "T2V-A14B",
  startedAtMs: 1_760_000_000_000,
  version: "0.1.0",
  workers: [{ id: "worker-0", pid: 4242, state: "idle", tags: ["servable"], kind: "simulator" }],
  health: healthy,
  isHealthMonitored: true,
  recoveryStatistics: recoveryStatistics([]),
  recoveryAttempts: [],
  openIncidents: [],
  isMockEnabled: false,
  isDegradedActive: false,
  running: [],
  unreadyReason: null,
};

/** A host without any card. */
export const sampleOfHost: Sample = {
  atMs: 0,
  gpuKind: "absent",
  gpus: [],
  host: {
    cpuRatio: 0.125,
    memoryRatio: 0.255,
    memoryUsedBytes: 8 * 1024 ** 3,
    memoryTotalBytes: 32 * 1024 ** 3,
    diskFreeBytes: 1e12,
  },
};

/** Everything real but the machines: store, artifact files and admission are the service's own. */
export interface ServerWorld {
  readonly app: ServerApp;
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly ports: ServerPorts;
  readonly defects: unknown[];
  readonly answers: AnsweredRequest[];
  /** Origins of pages that were refused. */
  readonly refusedOrigins: string[];
  readonly orders: RecoveryOrder[];
  status: ServiceStatus;
  triggered: RecoveryTriggered;
  freeBytes: number;
  takesLoras: boolean;
  sample: Sample;
  isIntakeDrained: boolean;
  isCardKnown: boolean;
  /** The media child's own look, in this process. */
  imageProblemOf: Media["imageProblemOf"];
  readonly progress: Map<string, JobProgress>;
  readonly frame: (frame: StreamFrame) => void;
  /** How many listen for frames. */
  readonly listenerCount: () => number;
  readonly submit: (fields?: Record<string, unknown>, headers?: Record<string, string>) => Promise<Response>;
  readonly submitted: (fields?: Record<string, unknown>) => Promise<string>;
  readonly claim: () => Promise<Lease>;
  readonly publish: (jobId: string, kind: ArtifactKind, content: Uint8Array | string) => Promise<ArtifactRef>;
  /** A stand-in that is shown. */
  readonly standIn: (jobId: string, content?: string) => Promise<ArtifactRef>;
  /** Claims and commits the oldest queued job. */
  readonly finish: (
    content?: Uint8Array | string,
  ) => Promise<{ readonly jobId: string; readonly artifact: ArtifactRef }>;
  readonly close: () => Promise<void>;
}

export interface WorldOptions extends Partial<AppOptions> {
  readonly catalog?: ModelCatalog;
  readonly models?: ModelPort;
  readonly maxQueuedJobs?: number;
}

const appDefaults: AppOptions = {
  ownConsent: { fallback: "stand_in_then_real", allow: [], floor: { width: 854, height: 480, frames: 33 } },
  resultMaxAgeMs: 30 * dayMs,
  apiKey: null,
  allowedHosts: [],
  allowedOrigins: [],
  isExposed: false,
  isInsecure: false,
  rateLimit: { perSecond: 1_000, burstCount: 10_000 },
  consent: {
    fallback: "stand_in_then_real",
    allow: ["frames", "resolution"],
    floor: { width: 854, height: 480, frames: 33 },
  },
};
export const real: ServedBy = { worker: "worker-0", model: "T2V-A14B", kind: "real", isSimulated: true };
const standInBy: ServedBy = { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false };
export const smallJob = {
  model_type: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  resolution: "854x480",
  steps: 12,
  num_frames: 33,
};

export const png = new Uint8Array(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "base64",
  ),
);

/** A service that knows no model. */
const noModels: ModelPort = {
  list: async () => [],
  find: async () => null,
  downloads: async () => [],
  download: async () => "absent",
  manage: async () => "absent",
  verify: async () => "absent",
  hardware: () => null,
  suggest: () => "absent",
};

function makePorts(
  world: () => ServerWorld,
  store: Store,
  parts: Pick<ServerPorts, "clock" | "chance" | "catalog"> & { readonly artifacts: ArtifactFiles },
  listeners: Set<(frame: StreamFrame) => void>,
  models: ModelPort = noModels,
): ServerPorts {
  const admission = createAdmission(
    {
      jobs: store.jobs,
      artifacts: parts.artifacts,
      disk: { freeBytes: async () => world().freeBytes },
      clock: parts.clock,
      chance: parts.chance,
      catalog: parts.catalog,
      largest: () =>
        world().isCardKnown
          ? {
              machine: {
                device: {
                  kind: "card",
                  uuid: "card",
                  name: "NVIDIA H100 80GB HBM3",
                  totalBytes: 80 * 1024 ** 3,
                  isSimulated: false,
                },
                hostBytes: 128 * 1024 ** 3,
              },
              profiles: loadProfiles,
            }
          : null,
      clipTimeOf: (question) => clipTimeOf(emptyClips, question),
      isDraining: () => world().status.mode === "draining",
      isIntakeDrained: () => world().isIntakeDrained,
      isSimulated: () => world().status.isSimulated,
      onAvailable: () => undefined,
    },
    {
      minFreeBytes: 1_000,
      deadlineMs: 86_400_000,
      preferredProfile: "model-offload",
      alternative: "TI2V-5B",
      get takesLoras() {
        return world().takesLoras;
      },
    },
  );
  return {
    ...parts,
    images: { imageProblemOf: (image) => world().imageProblemOf(image) },
    models,
    jobs: store.jobs,
    webhooks: {
      listOf: store.webhooks.listOf,
      problemOf: (url) => (url.startsWith("https://") ? null : `${url} is not called.`),
    },
    quarantine: { release: store.jobs.requeue, drop: store.jobs.drop },
    events: store.events,
    admission,
    status: () => world().status,
    progressOf: (jobId) => world().progress.get(jobId) ?? null,
    recovery: {
      trigger: async (order) => {
        world().orders.push(order);
        return world().triggered;
      },
      reset: async () => ({
        isMockDisabled: true,
        isRealGenerationEnabled: false,
        probe: "running",
        message: "The test render is still running.",
      }),
      checkHealth: async () => ({ ...healthy, checkedAtMs: parts.clock.nowMs() }),
      setMonitoring: async (isOn) => {
        const isNew = world().status.isHealthMonitored !== isOn;
        world().status = { ...world().status, isHealthMonitored: isOn };
        return isNew;
      },
    },
    drills: {
      list: async () => [{ name: "kill", description: "The worker is killed.", obstacle: null, cards: [] }],
      run: async () => null,
    },
    intake: {
      view: () => ({
        isPaused: false,
        isDrained: world().isIntakeDrained,
        restingWorkers: [],
        holdingWorkers: ["worker-0"],
      }),
      pause: async ({ isReleasing }) => ({
        isPaused: true,
        isDrained: world().isIntakeDrained,
        restingWorkers: isReleasing ? ["worker-0"] : [],
        holdingWorkers: isReleasing ? [] : ["worker-0"],
      }),
      drain: async () => {
        world().isIntakeDrained = true;
        return { isPaused: false, isDrained: true, restingWorkers: [], holdingWorkers: ["worker-0"] };
      },
      resume: async () => {
        world().isIntakeDrained = false;
        return { isPaused: false, isDrained: false, restingWorkers: [], holdingWorkers: ["worker-0"] };
      },
    },
    incidents: createIncidentDesk(store, parts.clock),
    machines: { charts: () => [], actors: () => [], inspector: null },
    outlook: createJobOutlook(store, {
      progressOf: (jobId) => world().progress.get(jobId) ?? null,
      running: () => [...world().progress.values()],
      usableWorkerCount: () => world().status.workers.filter(({ tags }) => tags.includes("servable")).length,
    }),
    control: {
      cancelJob: (jobId, by) => store.jobs.cancel(jobId, by),
      removeJob: (jobId, by) =>
        removeJob({ store, ...parts, cancelJob: (id, who) => store.jobs.cancel(id, who) }, jobId, by),
      killWorker: async (workerId) =>
        workerId === null || workerId === "worker-0"
          ? { kind: "killed", workerId: "worker-0", pid: 4242 }
          : { kind: "absent", message: `There is no worker ${workerId}.` },
    },
    telemetry: {
      measure: async () => world().sample,
      since: (fromMs) => (world().sample.atMs >= fromMs ? [world().sample] : []),
    },
    listLoras: async () => [{ path: "animals/fox.safetensors", bytes: 300_000_000, modifiedAtMs: 1_760_000_000_000 }],
    streams: {
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    metrics: async (listenerCount) =>
      `# TYPE understudy_stream_clients gauge\nunderstudy_stream_clients ${listenerCount}\n`,
    onAnswered: (answer) => world().answers.push(answer),
    keys: store.keys,
    onOriginRefused: (origin) => world().refusedOrigins.push(origin),
    onDefect: (thrown) => world().defects.push(thrown),
  };
}

export function createServerWorld(clock: Clock, options: WorldOptions = {}): ServerWorld {
  const { maxQueuedJobs, models, catalog = createModelCatalog(), ...appOptions } = options;
  const stateDir = mkdtempSync(join(tmpdir(), "understudy-server-"));
  const chance = createSeededChance(7);
  const store = openStore({ path: ":memory:", clock, ...(maxQueuedJobs === undefined ? {} : { maxQueuedJobs }) });
  const artifacts = createArtifactFiles({ stateDir, clock });
  const listeners = new Set<(frame: StreamFrame) => void>();
  const ports = makePorts(() => world, store, { artifacts, clock, chance, catalog }, listeners, models);
  const app = createApp(ports, { ...appDefaults, ...appOptions });
  const submit: ServerWorld["submit"] = async (fields = {}, headers = {}) =>
    app.request("/api/v1/generation/submit", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ ...smallJob, ...fields }),
    });
  const publish: ServerWorld["publish"] = async (jobId, kind, content) => {
    const staged = artifacts.stagingPath(jobId, 1, kind);
    writeFileSync(staged, content);
    return artifacts.publish(staged, {
      jobId,
      fence: 1,
      kind,
      mimeType: kind === "thumbnail" ? "image/jpeg" : "video/mp4",
    });
  };
  const claim: ServerWorld["claim"] = async () => {
    const lease = await store.jobs.claim({
      workerId: "worker-0",
      epoch: 1,
      models: ["T2V-A14B", "I2V-A14B", "TI2V-5B"],
      residentModel: null,
      leaseMs: 30_000,
    });
    if (lease === null) throw new Error("nothing to claim");
    return lease;
  };
  const world: ServerWorld = {
    app,
    store,
    artifacts,
    ports,
    defects: [],
    answers: [],
    refusedOrigins: [],
    orders: [],
    status: ready,
    triggered: {
      isSuccess: true,
      isPending: false,
      message: "Recovery successful using clear_gpu_cache",
      incidentId: null,
      isStandingIn: false,
      isRealGenerationEnabled: true,
      actions: [{ action: "clear_gpu_cache", outcome: "effective", reason: "4.2 GiB more are free" }],
    },
    freeBytes: 1e12,
    takesLoras: true,
    sample: { ...sampleOfHost, atMs: clock.nowMs() },
    isIntakeDrained: false,
    isCardKnown: true,
    imageProblemOf: findImageProblem,
    progress: new Map(),
    frame: (frame) => {
      for (const listener of listeners) listener(frame);
    },
    listenerCount: () => listeners.size,
    submit,
    submitted: async (fields) => ((await (await submit(fields)).json()) as { task_id: string }).task_id,
    claim,
    publish,
    standIn: async (jobId, content = "a stand-in") => {
      const artifact = await publish(jobId, "stand_in", content);
      await store.jobs.attach(jobId, artifact, { servedBy: standInBy, reason: "the worker is being restarted" });
      return artifact;
    },
    finish: async (content = "a video") => {
      const lease = await claim();
      const artifact = await publish(lease.jobId, "result", content);
      const thumbnail = await publish(lease.jobId, "thumbnail", "a thumbnail");
      const { request } = lease.spec;
      const result = {
        servedBy: real,
        effective: request,
        changes: [],
        renderedSize: "864x480",
        durationSeconds: 2.0625,
        renderMs: 90_000,
        stepsRendered: request.steps,
      };
      await store.jobs.commit(lease, artifact, result, thumbnail);
      return { jobId: lease.jobId, artifact };
    },
    close: async () => {
      await store.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return world;
}

/** Reads server-sent events one at a time. */
export function readEvents(response: Response): {
  next: () => Promise<{ event: string; id: string | null; data: Record<string, unknown> } | null>;
  cancel: () => Promise<void>;
} {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  const next = async (): Promise<{ event: string; id: string | null; data: Record<string, unknown> } | null> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end === -1) {
        const { done, value } = await reader.read();
        if (done) return null;
        text += decoder.decode(value, { stream: true });
        continue;
      }
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const field = (name: string): string | null =>
        block
          .split("\n")
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2) ?? null;
      const event = block.startsWith(":") ? "comment" : field("event");
      if (event !== null)
        return { event, id: field("id"), data: JSON.parse(field("data") ?? "{}") as Record<string, unknown> };
    }
  };
  return { next, cancel: () => reader.cancel() };
}
