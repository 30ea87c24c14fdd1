import type { JobView } from "../core/job.ts";
import type { MachineStep } from "../core/ports/machine-feed.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import { createAdmission, type ServingMachine } from "../jobs/admission.ts";
import { isUsable } from "../machines/supervisor-facts.ts";
import type { SupervisorFact } from "../machines/supervisor-types.ts";
import type { Supervisor } from "../machines/supervisor-view.ts";
import { modelHeldBy } from "../machines/supervisor-view.ts";
import type {
  AdmissionPort,
  ControlPort,
  MachinePort,
  QuarantinePort,
  ServerPorts,
  ServiceStatus,
  StreamFrame,
  StreamPort,
} from "../server/server-ports.ts";
import { createDrillDesk } from "./drills/drill-operations.ts";
import { machineOf } from "./health/host-memory.ts";
import { createTelemetryDesk } from "./health/telemetry-reader.ts";
import { createIncidentDesk } from "./incidents/incident-reader.ts";
import type { FactHub } from "./incidents/recovery-operations.ts";
import { createRecoveryDesk } from "./incidents/recovery-operations.ts";
import { createIntakeDesk } from "./intake-operations.ts";
import { listLoras } from "./models/lora-list.ts";
import type { ModelBoard } from "./models/model-operations.ts";
import { createModelBoard } from "./models/model-operations.ts";
import { createJobOutlook } from "./rendering/job-outlook.ts";
import { removeJob } from "./rendering/remove-job.ts";
import { figuresOf } from "./status/scrape.ts";
import type { StatusParts } from "./status/service-status.ts";
import { attemptViewOf, statusOf } from "./status/service-status.ts";

/** The largest card that serves, as its worker told it. */
function largestMachine({ links, hostMemory }: StatusParts): ServingMachine | null {
  const identities = links.list().map((link) => link.client.identity);
  const [identity] = identities.toSorted((one, other) => other.device.totalBytes - one.device.totalBytes);
  return identity === undefined
    ? null
    : { machine: machineOf(identity, hostMemory.known()), profiles: identity.profiles };
}

/** In which memory mode a worker holds it; null when none does. */
function loadedProfileOf(supervisor: Supervisor, model: ModelId): LoadProfile | null {
  const snapshot = supervisor.getSnapshot();
  const held = snapshot.context.configured.map(({ id }) => modelHeldBy(snapshot, id));
  return held.find((one) => one?.model === model)?.profile ?? null;
}

function createAdmissionPort(parts: StatusParts, supervisor: Supervisor, onQueued: () => void): AdmissionPort {
  const { config } = parts;
  return createAdmission(
    {
      jobs: parts.store.jobs,
      artifacts: parts.artifacts,
      disk: parts.disk,
      clock: parts.clock,
      chance: parts.chance,
      largest: () => largestMachine(parts),
      clipTimeOf: parts.clips.timeOf,
      isDraining: () => supervisor.getSnapshot().context.mode === "draining",
      isIntakeDrained: () => supervisor.getSnapshot().context.drain !== null,
      isSimulated: () => config.workers.every((worker) => worker.kind === "simulator"),
      onAvailable: () => {
        supervisor.send({ type: "jobs.becameAvailable" });
        onQueued();
      },
    },
    {
      minFreeBytes: config.disk.minFreeBytes,
      get deadlineMs() {
        return config.queue.deadlineMs;
      },
      preferredProfile: config.loadProfile,
      alternative: config.alternative,
      // A simulator plays every request; of what another program can do, it tells itself when it is given the job.
      takesLoras: config.models.loraDir !== null || config.workers.some(({ kind }) => kind !== "diffusers"),
    },
  );
}

function createControl(parts: StatusParts, supervisor: Supervisor): ControlPort {
  const { store, links, host, config } = parts;
  const cancelJob: ControlPort["cancelJob"] = async (jobId, by) => {
    const outcome = await store.jobs.cancel(jobId, by);
    const view: JobView | null = outcome === "requested" ? await store.jobs.get(jobId) : null;
    if (view?.workerId != null) supervisor.send({ type: "job.cancel", workerId: view.workerId, jobId });
    return outcome;
  };
  return {
    cancelJob,
    removeJob: (jobId, by) => removeJob({ ...parts, cancelJob }, jobId, by),
    killWorker: async (workerId, by) => {
      const id = workerId ?? config.workers[0]?.id ?? "";
      const link = links.get(id);
      if (link === null) return { kind: "absent", message: `Worker ${id} has no process right now.` };
      if (!link.client.identity.isSimulated)
        return { kind: "notSimulated", message: `Worker ${id} is not a simulator.` };
      await store.events.append([{ kind: "worker.killed", actor: by, workerId: id, data: { pid: link.ref.pid } }]);
      host.signal(link.ref, "SIGKILL");
      return { kind: "killed", workerId: id, pid: link.ref.pid };
    },
  };
}

function createQuarantine({ store: { jobs } }: StatusParts, onAvailable: () => void): QuarantinePort {
  return {
    release: async (jobId, by) => {
      const outcome = await jobs.requeue(jobId, by);
      if (outcome === "ok") onAvailable();
      return outcome;
    },
    drop: (jobId, by) => jobs.drop(jobId, by),
  };
}

/** What a fact looks like to those who listen; null when it is a row of the timeline and nothing else. */
function frameOf(fact: SupervisorFact, status: () => ServiceStatus): StreamFrame | null {
  if (fact.type === "mode.changed") return { kind: "mode", mode: fact.to, sentence: status().sentence };
  if (fact.type === "health.checked" || fact.type === "health.changed") {
    const { health } = status();
    return health === null ? null : { kind: "health", health };
  }
  if (fact.type !== "rung.ended" || fact.result.outcome === "skipped") return null;
  const { failureType, workerId, id: incidentId, result } = fact;
  return { kind: "recoveryAttempt", attempt: attemptViewOf({ failureType, workerId, incidentId, result }) };
}

/** The machines as the server may show them, and each of their steps. */
export interface MachineSource extends MachinePort {
  subscribe(listener: (step: MachineStep) => void): () => void;
}

function createStreams(
  parts: StatusParts,
  { hub, machines }: Sources,
  status: () => ServiceStatus,
  models: ModelBoard,
): StreamPort {
  const listeners = new Set<(frame: StreamFrame) => void>();
  const publish = (frame: StreamFrame): void => {
    for (const listener of listeners) listener(frame);
  };
  models.onDownload((download) => publish({ kind: "download", download }));
  parts.samples.onSample((sample) => publish({ kind: "sample", sample }));
  parts.progress.onProgress((progress) => publish({ kind: "progress", progress }));
  hub.subscribe((fact) => {
    const frame = frameOf(fact, status);
    if (frame !== null) publish(frame);
  });
  /** Steps are told only while somebody listens. */
  let leave: (() => void) | undefined;
  return {
    subscribe: (listener) => {
      leave ??= machines.subscribe((step) => publish({ kind: "step", step }));
      listeners.add(listener);
      return () => {
        if (!listeners.delete(listener) || listeners.size > 0) return;
        leave?.();
        leave = undefined;
      };
    },
  };
}

interface Sources {
  readonly hub: FactHub;
  readonly machines: MachineSource;
}

/** Everything that the server may ask of this service. */
export function createServerPorts(
  parts: StatusParts,
  supervisor: Supervisor,
  sources: Sources,
  onQueued: () => void,
): ServerPorts {
  const { hub, machines } = sources;
  const status = (): ServiceStatus => statusOf(parts, supervisor.getSnapshot());
  const admission = createAdmissionPort(parts, supervisor, onQueued);
  const models = createModelBoard(parts, {
    largest: () => largestMachine(parts),
    loadedProfileOf: (model) => loadedProfileOf(supervisor, model),
  });
  const drills = createDrillDesk({ parts, supervisor, admission });
  return {
    models,
    jobs: parts.store.jobs,
    quarantine: createQuarantine(parts, () => {
      supervisor.send({ type: "jobs.becameAvailable" });
      onQueued();
    }),
    webhooks: { listOf: parts.store.webhooks.listOf, problemOf: parts.webhooks.problemOf },
    events: parts.store.events,
    artifacts: parts.artifacts,
    images: parts.media,
    clock: parts.clock,
    chance: parts.chance,
    admission,
    status,
    progressOf: parts.progress.of,
    telemetry: createTelemetryDesk(parts),
    listLoras: () => listLoras(parts.config.models.loraDir),
    outlook: createJobOutlook(parts.store, {
      progressOf: parts.progress.of,
      running: parts.progress.list,
      usableWorkerCount: () => Object.values(supervisor.getSnapshot().context.workers).filter(isUsable).length,
    }),
    recovery: createRecoveryDesk(parts, supervisor, hub),
    incidents: createIncidentDesk(parts.store, parts.clock),
    control: createControl(parts, supervisor),
    drills,
    intake: createIntakeDesk(parts, supervisor, onQueued),
    machines,
    streams: createStreams(parts, sources, status, models),
    metrics: async (listenerCount) => parts.metrics.render(await figuresOf(parts, supervisor, drills), listenerCount),
    onAnswered: ({ requestId, keyId, jobId, incidentId, ...answer }) => {
      parts.metrics.answered(answer);
      const ids = Object.entries({ keyId, jobId, incidentId }).filter(([, id]) => id !== null);
      parts.logger.info({ event: "request.answered", requestId, ...answer, ...Object.fromEntries(ids) });
    },
    keys: parts.store.keys,
    onOriginRefused: (origin) =>
      parts.logger.warn({ event: "origin.refused", origin, allowWith: `--allow-origin ${origin}` }),
    onDefect: (thrown, request) => {
      const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      parts.logger.error({ event: "request.defect", ...request, message });
    },
  };
}
