/** The effects of the recovery machine, bound to the ports of this service; recover.ts holds what they do. */
import { fromPromise } from "xstate";
import type {
  PerformActionInput,
  ProbeAnswer,
  RecoveryTarget,
  RungEvidence,
  StandInAnswer,
} from "../../machines/recovery-types.ts";
import type { RungFacts } from "../../recovery/preconditions.ts";
import { examineRung, performAction, proveEnvelope, type RecoverPorts, runCanary } from "./recover.ts";

/** @param proveStandIn whether somebody who waits can see a stand-in that plays */
export const recoveryActors = (ports: RecoverPorts, proveStandIn: (signal: AbortSignal) => Promise<StandInAnswer>) => ({
  examine: fromPromise<RungFacts, RecoveryTarget>(({ input, signal }) => examineRung(ports, input, signal)),
  performAction: fromPromise<RungEvidence, PerformActionInput>(({ input, signal }) =>
    performAction(ports, input, signal),
  ),
  proveEnvelope: fromPromise<ProbeAnswer, RecoveryTarget>(({ input, signal }) => proveEnvelope(ports, input, signal)),
  runCanary: fromPromise<ProbeAnswer, RecoveryTarget>(({ input, signal }) => runCanary(ports, input, signal)),
  renderStandIn: fromPromise<StandInAnswer, RecoveryTarget>(({ signal }) => proveStandIn(signal)),
});
