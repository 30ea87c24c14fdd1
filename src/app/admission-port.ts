/** Binds admission to this service: the settings as they are now, and whether the intake is open. */
import type { Config } from "../config/schema.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ArtifactFiles, DiskGauge } from "../core/ports/artifact-files.ts";
import type { Store } from "../core/ports/event-log.ts";
import { createAdmission, type ServingMachine } from "../jobs/admission.ts";
import type { Supervisor } from "../machines/supervisor-view.ts";
import type { ClipTime, ClipTimeQuestion } from "../recovery/clip-time.ts";
import type { AdmissionPort } from "../server/server-ports.ts";
import { findLoraProblem } from "./models/lora-header.ts";

export interface AdmissionNeeds {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly catalog: ModelCatalog;
  readonly store: Pick<Store, "jobs">;
  readonly artifacts: ArtifactFiles;
  readonly disk: DiskGauge;
  readonly config: Config;
  readonly clips: { timeOf(question: ClipTimeQuestion): ClipTime };
  readonly largest: () => ServingMachine | null;
}

/** Admission by the settings that are in force and what the service says of itself. */
export function createAdmissionPort(
  parts: AdmissionNeeds,
  supervisor: Pick<Supervisor, "send" | "getSnapshot">,
  onQueued: () => void,
): AdmissionPort {
  const { config } = parts;
  return createAdmission(
    {
      jobs: parts.store.jobs,
      artifacts: parts.artifacts,
      disk: parts.disk,
      clock: parts.clock,
      chance: parts.chance,
      catalog: parts.catalog,
      largest: parts.largest,
      isOffered: (model) => config.workers.some(({ models }) => models.includes(model)),
      loraProblemOf: (name) => findLoraProblem(config.models.loraDir, name),
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
