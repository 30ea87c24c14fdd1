/**
 * The only place that says whether a recovery action helped. It judges by measurements and proofs after the action,
 * never by the action's own success; what nobody measured stays `unknown`.
 */
import type { ActionEvidence } from "../core/fault.ts";
import { formatBytes } from "../core/units.ts";
import type { Outcome, RecoveryAction } from "../core/words.ts";

/** Result of a probe; `unknown` = not run, or no answer. */
export type ProbeVerdict = "passed" | "failed" | "unknown";

/** Everything that was checked after an action. Null = not checked or not measurable. */
export interface RungProof {
  readonly canary: ProbeVerdict;
  /** The failed job's phase, run again. */
  readonly envelope: ProbeVerdict;
  /** A job failed, so that there is a phase to run again. */
  readonly hasFailedJob: boolean;
  /** What the pending envelope needs; null when nobody knows. */
  readonly neededBytes: number | null;
  readonly filesMatch: boolean | null;
  /** The condition that raised the fault is gone, by a fresh measurement. */
  readonly isConditionGone: boolean | null;
  /** A new process has shaken hands, and its device memory is at baseline. */
  readonly hasRestarted: boolean | null;
  /** Of a stand-in that an owner can see. */
  readonly standInPlays: boolean | null;
  /** Somebody waits who may have one. */
  readonly isStandInAwaited: boolean | null;
  /** Why the action could not be carried out; null when it was. */
  readonly actionError: string | null;
}

export const nothingProven: RungProof = {
  canary: "unknown",
  envelope: "unknown",
  hasFailedJob: false,
  neededBytes: null,
  filesMatch: null,
  isConditionGone: null,
  hasRestarted: null,
  standInPlays: null,
  isStandInAwaited: null,
  actionError: null,
};

export interface Verdict {
  readonly outcome: Outcome;
  readonly reason: string;
}

const verdict = (outcome: Outcome, reason: string): Verdict => ({ outcome, reason });

/** Free memory must rise at least this much to count when no envelope says what is needed: below it, measures differ by chance. */
const noticeableBytes = 64 * 1024 * 1024;

function ofProbe(probe: ProbeVerdict, name: string, before: string): Verdict {
  if (probe === "passed") return verdict("effective", `${before}, and the ${name} passed`);
  if (probe === "failed") return verdict("ineffective", `${before}, but the ${name} failed`);
  return verdict("unknown", `${before}, but the ${name} gave no answer`);
}

const envelopeProof = "failed phase, run again,";
const canaryProof = "test render";

function ofCacheClear(evidence: ActionEvidence, proof: RungProof): Verdict {
  const before = evidence.before.deviceFreeBytes;
  const after = evidence.after.deviceFreeBytes;
  if (before === null || after === null)
    return verdict("unknown", "free memory on the device could not be measured from outside the worker");
  const neededBytes = Math.max(proof.neededBytes ?? 0, noticeableBytes);
  const sentence = `free memory on the device rose by ${formatBytes(after - before)} of the ${formatBytes(neededBytes)} that are needed`;
  return verdict(after - before >= neededBytes ? "effective" : "ineffective", sentence);
}

function ofOptimization(evidence: ActionEvidence, proof: RungProof): Verdict {
  if (evidence.applied.length === 0) return verdict("ineffective", "the worker applied nothing");
  const applied = `applied ${evidence.applied.join(", ")}`;
  return proof.envelope === "unknown"
    ? ofProbe(proof.canary, canaryProof, applied)
    : ofProbe(proof.envelope, envelopeProof, applied);
}

function ofOffload(evidence: ActionEvidence, proof: RungProof): Verdict {
  const before = evidence.before.workerAllocatedBytes;
  const after = evidence.after.workerAllocatedBytes;
  if (evidence.applied.length === 0) return verdict("ineffective", "the worker kept its memory mode");
  if (before === null || after === null)
    return verdict("unknown", "resident memory could not be measured around the reload");
  const change = `resident memory went from ${formatBytes(before)} to ${formatBytes(after)}`;
  if (after >= before) return verdict("ineffective", change);
  if (proof.canary !== "passed") return ofProbe(proof.canary, canaryProof, change);
  // Without a job there is no envelope to prove; the canary is all that can be asked.
  return proof.envelope === "unknown" && !proof.hasFailedJob
    ? verdict("effective", `${change}, and the ${canaryProof} passed`)
    : ofProbe(proof.envelope, envelopeProof, `${change}, the ${canaryProof} passed`);
}

function ofReduction(evidence: ActionEvidence, proof: RungProof): Verdict {
  const freeBytes = evidence.after.deviceFreeBytes;
  if (evidence.applied.length === 0) return verdict("ineffective", "the job consents to no smaller request that fits");
  const smaller = `reduced to ${evidence.applied.join(", ")}`;
  if (proof.neededBytes !== null && freeBytes !== null && proof.neededBytes > freeBytes) {
    return verdict(
      "ineffective",
      `${smaller}, which needs ${formatBytes(proof.neededBytes)} of ${formatBytes(freeBytes)} free`,
    );
  }
  return ofProbe(proof.envelope, envelopeProof, smaller);
}

function ofDownload(proof: RungProof): Verdict {
  if (proof.filesMatch === null) return verdict("unknown", "the files were not verified");
  return proof.filesMatch
    ? verdict("effective", "every file matches its hash")
    : verdict("ineffective", "a file still does not match its hash");
}

function ofRestart(proof: RungProof): Verdict {
  if (proof.hasRestarted === null) return verdict("unknown", "the new process or its memory could not be observed");
  if (!proof.hasRestarted)
    return verdict("ineffective", "no new process shook hands with its device memory at baseline");
  return ofProbe(proof.canary, canaryProof, "a new process shook hands");
}

function ofHealthCheck(proof: RungProof): Verdict {
  if (proof.isConditionGone === null) return verdict("unknown", "the condition could not be measured again");
  if (!proof.isConditionGone) return verdict("ineffective", "the condition that raised the fault persists");
  return proof.canary === "failed"
    ? verdict("ineffective", `no condition of host or card explains the fault, but the ${canaryProof} failed`)
    : verdict("effective", "the condition that raised the fault is gone");
}

function ofStandIn(proof: RungProof): Verdict {
  if (proof.isStandInAwaited === false) return verdict("skipped", "nobody waits for a stand-in");
  if (proof.standInPlays === null) return verdict("unknown", "no owner has seen a stand-in yet");
  return proof.standInPlays
    ? verdict("effective", "an owner can see a stand-in, and it plays")
    : verdict("ineffective", "the stand-in does not play");
}

const withEvidence: Partial<Record<RecoveryAction, (evidence: ActionEvidence, proof: RungProof) => Verdict>> = {
  clear_gpu_cache: ofCacheClear,
  apply_vram_optimization: ofOptimization,
  enable_cpu_offload: ofOffload,
  reduce_generation_params: ofReduction,
};

const byProofAlone: Partial<Record<RecoveryAction, (proof: RungProof) => Verdict>> = {
  retry_model_download: ofDownload,
  restart_pipeline: ofRestart,
  system_health_check: ofHealthCheck,
  fallback_to_mock: ofStandIn,
};

/**
 * What an action was worth, by what was measured: the return of the action alone proves nothing. No other file decides
 * that a rung was effective.
 */
export function judgeRung(action: RecoveryAction, evidence: ActionEvidence | null, proof: RungProof): Verdict {
  if (proof.actionError !== null) return verdict("failed", proof.actionError);
  const alone = byProofAlone[action];
  if (alone !== undefined) return alone(proof);
  if (evidence === null) return verdict("unknown", "no measurement was made around the action");
  const measured = withEvidence[action];
  return measured === undefined ? verdict("unknown", "no rule judges this action") : measured(evidence, proof);
}

/**
 * The climb ends here: the failed job's phase succeeded, or, where there is none, the canary did. A passed canary outvotes
 * neither a failed phase nor a condition that was measured and persists.
 */
export function isRepaired(proof: RungProof): boolean {
  if (proof.isConditionGone === false) return false;
  return proof.envelope === "passed" || (proof.envelope === "unknown" && proof.canary === "passed");
}

/** The probes that an action needs before it can be judged. */
export function probesFor(
  action: RecoveryAction,
  hasFailedJob: boolean,
): { readonly canary: boolean; readonly envelope: boolean } {
  if (action === "fallback_to_mock") return { canary: false, envelope: false };
  if (action === "restart_pipeline" || action === "retry_model_download" || action === "system_health_check")
    return { canary: true, envelope: false };
  if (action === "enable_cpu_offload") return { canary: true, envelope: hasFailedJob };
  return { canary: !hasFailedJob, envelope: hasFailedJob };
}
