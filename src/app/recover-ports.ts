/** What recovery's effects stand on, put together from the parts of this service. */
import type { Config } from "../config/schema.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { TelemetryProbe } from "../core/ports/telemetry-probe.ts";
import { envelopesOf, type WorkersFacts } from "../machines/supervisor-facts.ts";
import { isConditionOver } from "../recovery/condition.ts";
import { gpuExpectationOf } from "./health/gpu-expectation.ts";
import type { RecoverPorts } from "./incidents/recover.ts";
import { type ModelPorts, repairFiles } from "./models/model-files.ts";
import { ownModelOf } from "./models/own-model.ts";
import { type LoadNeeds, prepareLoad } from "./models/prepare-load.ts";
import { type PlanNeeds, planReduction } from "./rendering/plan-render.ts";

export type ReadWorkers = () => WorkersFacts;

type Given = "artifacts" | "attempts" | "catalog" | "gpu" | "links";

interface RecoverParts
  extends Pick<RecoverPorts, Given>,
    Omit<LoadNeeds, Given | "envelopes">,
    Omit<PlanNeeds, Given | "envelopes"> {
  readonly config: Config;
  readonly store: Pick<Store, "jobs">;
  readonly envelopes: RecoverPorts["envelopes"] & LoadNeeds["envelopes"] & PlanNeeds["envelopes"];
  readonly probe: Pick<TelemetryProbe, "measure">;
  readonly models: ModelPorts | null;
}

export function recoverPortsOf(parts: RecoverParts, readWorkers: ReadWorkers): RecoverPorts {
  const { config, store, models, probe } = parts;
  return {
    ...parts,
    jobs: store.jobs,
    ownModelOf: (workerId) => ownModelOf(config, workerId),
    canFetchFiles: (model) => models?.cache.canPull(model) ?? null,
    repairFiles: (model) => repairFiles(models, model),
    planReduction: (workerId, job, resident) => planReduction(parts, workerId, job.spec, resident),
    prepareLoad: (workerId, model) => prepareLoad(parts, workerId, model),
    setProfile: parts.profiles.set,
    isConditionGone: async ({ fault }) =>
      isConditionOver({
        fault,
        sample: await probe.measure({ maxAgeMs: 0 }),
        envelopes: envelopesOf(readWorkers()),
        thresholds: config.health.thresholds,
        gpuExpectation: gpuExpectationOf(config),
      }),
  };
}
