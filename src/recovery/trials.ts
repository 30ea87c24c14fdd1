/**
 * What a repair was worth is known for certain only when the job that failed comes past its failure. Until then the
 * repair is on trial: the jobs' next attempts confirm its outcome or revise it.
 */
import type { Fault } from "../core/fault.ts";
import { hourMs } from "../core/units.ts";
import { type FailureType, type Outcome, type Phase, phases, type RecoveryAction } from "../core/words.ts";
import { signatureOf } from "./signature.ts";
import { reviseVerdict, type TrialSign } from "./verdicts.ts";

/** What a repair has to cure: the failure of these jobs. */
export interface Ailment {
  readonly jobIds: readonly string[];
  readonly signature: string;
  /** The phase that failed; null where it ended otherwise: by a check of the file, or by the end of the process. */
  readonly phase: Phase | null;
}

/** Which rung it is: an incident climbs each rung of its ladder once a climb. */
interface RungIdentity {
  readonly incidentId: string;
  readonly workerId: string;
  readonly failureType: FailureType;
  readonly action: RecoveryAction;
  readonly climb: number;
  readonly startedAtMs: number;
}

/** A rung whose outcome the next attempts of its jobs may revise. */
export interface RungTrial extends Ailment {
  readonly rung: RungIdentity;
  readonly outcome: Outcome;
  readonly untilMs: number;
}

export interface Revision {
  readonly rung: RungIdentity;
  readonly from: Outcome;
  readonly to: Outcome;
  readonly reason: string;
}

export interface TrialsAfter {
  readonly trials: readonly RungTrial[];
  readonly revisions: readonly Revision[];
}

/** A job may wait long for its next attempt: as long as its deadline is by default. */
export const trialMs = 24 * hourMs;
/** So many are held at most; the oldest ends as if its time were over. */
const heldCount = 64;

/** The phase in which a fault came, where it is one of a render that can be run again. */
export function phaseOfFault({ evidence }: Pick<Fault, "evidence">): Phase | null {
  const phase = evidence.phase ?? evidence.workerFailure?.phase;
  return phases.find((known) => known === phase) ?? null;
}

/** The process ended with it, by itself or because it answered no more. */
export function isDeath({ evidence }: Pick<Fault, "evidence">): boolean {
  const { exitCode, exitSignal, silentForMs, stalledForMs } = evidence;
  return [exitCode, exitSignal, silentForMs, stalledForMs].some((sign) => sign !== undefined);
}

/**
 * Whether the failed phase can be run again for a proof. The writing of the file, its check and the end of a process are
 * no phase of their own: only the job's next attempt shows whether they are past.
 */
export const canRepeat = (fault: Pick<Fault, "evidence">): boolean =>
  !isDeath(fault) && fault.evidence.outputProblem === undefined && phaseOfFault(fault) !== "mux";

/** The jobs' failure that a fault stands for. */
export const ailmentOf = (fault: Fault, jobIds: readonly string[]): Ailment => ({
  jobIds,
  signature: signatureOf(fault),
  phase: phaseOfFault(fault),
});

/** Only what may yet turn out otherwise is tried: an outcome that a proof refuted stays so. */
export const isOnTrial = (action: RecoveryAction, outcome: Outcome): boolean =>
  action !== "fallback_to_mock" && (outcome === "effective" || outcome === "unknown");

function afterSign(trial: RungTrial, sign: TrialSign, jobId: string | null): TrialsAfter {
  const revised = reviseVerdict(trial.outcome, sign);
  const revisions: Revision[] =
    revised === null ? [] : [{ rung: trial.rung, from: trial.outcome, to: revised.outcome, reason: revised.reason }];
  // A job that has its result can speak against nothing any more; the others still can.
  const jobIds = trial.jobIds.filter((id) => id !== jobId);
  const isOver = sign !== "passed" || jobIds.length === 0;
  return { trials: isOver ? [] : [{ ...trial, jobIds, outcome: revised?.outcome ?? trial.outcome }], revisions };
}

function afterEach(
  trials: readonly RungTrial[],
  signOf: (trial: RungTrial) => TrialSign | null,
  jobId: string | null,
): TrialsAfter {
  const after = trials.map((trial) => {
    const sign = signOf(trial);
    return sign === null ? { trials: [trial], revisions: [] } : afterSign(trial, sign, jobId);
  });
  return { trials: after.flatMap((each) => each.trials), revisions: after.flatMap((each) => each.revisions) };
}

/** A rung ended, and its jobs are yet to show what it was worth. */
export function beginTrial(trials: readonly RungTrial[], trial: RungTrial): TrialsAfter {
  const oldest = trials.length < heldCount ? [] : trials.slice(0, 1);
  const { revisions } = afterEach(oldest, () => "over", null);
  return { trials: [...trials.slice(oldest.length), trial], revisions };
}

/** The job has its real result: whatever had failed, it is past. */
export const afterSuccess = (trials: readonly RungTrial[], jobId: string): TrialsAfter =>
  afterEach(trials, ({ jobIds }) => (jobIds.includes(jobId) ? "passed" : null), jobId);

/** The job failed once more: alike, or later on in its render. Another failure before that point shows nothing. */
export function afterFailure(trials: readonly RungTrial[], jobId: string, fault: Fault): TrialsAfter {
  const signature = signatureOf(fault);
  const reached = phaseOfFault(fault);
  const isPast = ({ phase }: RungTrial): boolean =>
    phase !== null && reached !== null && phases.indexOf(reached) > phases.indexOf(phase);
  return afterEach(
    trials,
    (trial) => {
      if (!trial.jobIds.includes(jobId)) return null;
      if (trial.signature === signature) return "failedAlike";
      return trial.outcome === "unknown" && isPast(trial) ? "passed" : null;
    },
    null,
  );
}

/** What was never decided ends undecided. */
export const afterTime = (trials: readonly RungTrial[], nowMs: number): TrialsAfter =>
  afterEach(trials, ({ untilMs }) => (nowMs >= untilMs ? "over" : null), null);
