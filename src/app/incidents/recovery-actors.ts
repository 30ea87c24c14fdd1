import { fromPromise } from "xstate";
import type {
  PerformActionInput,
  ProbeAnswer,
  RecoveryTarget,
  RungEvidence,
  StandInAnswer,
} from "../../machines/recovery-types.ts";
import { isConditionOver } from "../../recovery/condition.ts";
import type { RungFacts } from "../../recovery/preconditions.ts";
import { gpuExpectationOf } from "../health/gpu-expectation.ts";
import { ownModelOf } from "../models/own-model.ts";
import { prepareLoad } from "../models/prepare-load.ts";
import { planReduction } from "../rendering/plan-render.ts";
import type { ProofClip } from "../rendering/proof-clip.ts";
import type { ServiceParts } from "../service-ports.ts";
import { examineRung, performAction, proveEnvelope, type RecoverPorts, runCanary } from "./recover.ts";

export const recoveryActors = (parts: ServiceParts, proofClip: ProofClip) => {
  const ports: RecoverPorts = {
    catalog: parts.catalog,
    jobs: parts.store.jobs,
    artifacts: parts.artifacts,
    links: parts.links,
    gpu: parts.gpu,
    probe: parts.probe,
    ownModelOf: (workerId) => ownModelOf(parts.config, workerId),
    models: parts.models,
    planReduction: (workerId, job, resident) => planReduction(parts, workerId, job.spec, resident),
    envelopes: parts.envelopes,
    prepareLoad: (workerId, model) => prepareLoad(parts, workerId, model),
    setProfile: parts.profiles.set,
    isConditionGone: async ({ fault }) =>
      isConditionOver(
        fault.faultClass,
        await parts.probe.measure({ maxAgeMs: 0 }),
        parts.config.health.thresholds,
        gpuExpectationOf(parts.config),
      ),
  };
  return {
    examine: fromPromise<RungFacts, RecoveryTarget>(({ input, signal }) => examineRung(ports, input, signal)),
    performAction: fromPromise<RungEvidence, PerformActionInput>(({ input, signal }) =>
      performAction(ports, input, signal),
    ),
    proveEnvelope: fromPromise<ProbeAnswer, RecoveryTarget>(({ input, signal }) => proveEnvelope(ports, input, signal)),
    runCanary: fromPromise<ProbeAnswer, RecoveryTarget>(({ input, signal }) => runCanary(ports, input, signal)),
    renderStandIn: fromPromise<StandInAnswer, RecoveryTarget>(() => proofClip.prove()),
  };
};
