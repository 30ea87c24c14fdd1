/** The ports of a server whose machines a test plays: store, artifact files and admission are the service's own. */
import { createIncidentReader } from "../../src/app/incidents/incident-reader.ts";
import { createJobOutlook } from "../../src/app/rendering/job-outlook.ts";
import { removeJob } from "../../src/app/rendering/remove-job.ts";
import type { FieldProblem } from "../../src/contract/submission.ts";
import type { JobProgress } from "../../src/core/job.ts";
import type { ArtifactFiles } from "../../src/core/ports/artifact-files.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import type { Media } from "../../src/core/ports/media.ts";
import type { Sample } from "../../src/core/ports/telemetry-probe.ts";
import { loadProfiles } from "../../src/core/words.ts";
import { createAdmission } from "../../src/jobs/admission.ts";
import { clipTimeOf, emptyClips } from "../../src/recovery/clip-time.ts";
import type { VideoPromise } from "../../src/recovery/promise.ts";
import type {
  AnsweredRequest,
  ModelPort,
  RecoveryOrder,
  RecoveryTriggered,
  ServerPorts,
  ServiceStatus,
  StreamFrame,
} from "../../src/server/server-ports.ts";
import { healthy } from "./server-facts.ts";

/** What a test sets, and what it looks at afterwards. */
export interface SteeredWorld {
  readonly defects: unknown[];
  readonly answers: AnsweredRequest[];
  /** Origins of pages that were refused. */
  readonly refusedOrigins: string[];
  readonly orders: RecoveryOrder[];
  status: ServiceStatus;
  /** What a job that waits gets. */
  promise: VideoPromise;
  triggered: RecoveryTriggered;
  freeBytes: number;
  takesLoras: boolean;
  /** What a look at a LoRA's file finds, by name. */
  readonly loraProblems: Map<string, Pick<FieldProblem, "code" | "detail">>;
  sample: Sample;
  isIntakeDrained: boolean;
  isCardKnown: boolean;
  /** The media child's own look, in this process. */
  imageProblemOf: Media["imageProblemOf"];
  readonly progress: Map<string, JobProgress>;
}

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

export function makePorts(
  world: () => SteeredWorld,
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
      isOffered: parts.catalog.has,
      loraProblemOf: async (name) => world().loraProblems.get(name) ?? null,
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
    incidents: createIncidentReader(store, parts.clock),
    machines: { charts: () => [], actors: () => [], inspector: null },
    outlook: createJobOutlook(
      { clock: parts.clock, store, progress: { of: (jobId) => world().progress.get(jobId) ?? null } },
      { ofJob: () => world().promise, sentenceOf: () => world().status.sentence },
    ),
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
