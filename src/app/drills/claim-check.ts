/**
 * Finds what the service says during a drill and what happens contradicts: of its mode, of a job, of a time, of a
 * repair. Each is a sentence on the score card.
 */
import { type EventRow, isRowOf } from "../../core/events.ts";
import type { JobProgress } from "../../core/job.ts";
import { secondMs } from "../../core/units.ts";
import type { ServiceStatus } from "../../server/server-ports.ts";
import { isDelivered, type OwnerLook } from "./owner-view.ts";

/** What the drill itself finds when it looks, without asking the service. */
export interface Evidence {
  readonly connectedCount: number;
  readonly running: readonly JobProgress[];
}

type Said = Pick<ServiceStatus, "mode"> & { readonly promise: Pick<ServiceStatus["promise"], "kind"> };

/** What lasts no longer may be a matter of two looks. */
const momentMs = secondMs;
/** A queue that nobody serves for so long is no "at once". */
const atOnceMs = 5 * secondMs;
/** An estimate may be missed by half of itself, and by this at the least. */
const estimateGraceMs = 10 * secondMs;
const estimateGraceRatio = 0.5;

/** What tells one claim of a repair from another. */
const refutal = ({ action, started_at_ms: startedAtMs }: Pick<Cure["rung"], "action" | "started_at_ms">): string =>
  `effective ${action} ${startedAtMs}`;
const seconds = (ms: number): string => `${(ms / secondMs).toFixed(1)} s`;

interface Estimate {
  readonly saidAtMs: number;
  readonly etaMs: number;
  readonly latestAtMs: number;
}

/** How long something has been so without a break. */
class Since {
  #sinceMs: number | null = null;

  forMs(isSo: boolean, nowMs: number): number {
    if (!isSo) this.#sinceMs = null;
    else this.#sinceMs ??= nowMs;
    return this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
  }
}

/** A failure of one of the drill's jobs, as it could come again. */
interface Failure {
  readonly code: string;
  readonly atMs: number;
}

/** A repair that was called effective. */
interface Cure {
  readonly rung: EventRow<"rung.ended">["data"];
  readonly endedAtMs: number;
}

export class ClaimCheck {
  readonly #found = new Map<string, string>();
  readonly #readyWithoutWorker = new Since();
  readonly #atOnceWithoutRender = new Since();
  readonly #mockWhileRendering = new Since();
  readonly #estimates = new Map<string, Estimate>();
  readonly #failures = new Map<string, Failure>();
  #cure: Cure | null = null;

  /** In the order in which they were found. */
  get found(): readonly string[] {
    return [...this.#found.values()];
  }

  /** Only the first of a kind is told, so that a mode that is wrong for long fills no card. */
  #tell(kind: string, sentence: string): void {
    if (!this.#found.has(kind)) this.#found.set(kind, sentence);
  }

  /** What the service promises to everybody. @param isWaitedFor somebody's healthy job waits for a worker */
  noteService({ mode, promise }: Said, isWaitedFor: boolean, evidence: Evidence, nowMs: number): void {
    const isReady = mode === "ready";
    const isAtOnce = isReady || promise.kind === "realNow";
    const isRendering = evidence.running.length > 0;
    if (this.#readyWithoutWorker.forMs(isReady && evidence.connectedCount === 0, nowMs) > momentMs)
      this.#tell("no worker", "the mode was ready while no worker was connected");
    if (this.#atOnceWithoutRender.forMs(isAtOnce && isWaitedFor && !isRendering, nowMs) > atOnceMs)
      this.#tell(
        "not at once",
        "a video was said to be rendered at once while healthy jobs waited and nothing was rendered",
      );
    const isMoving = evidence.running.some(({ atMs }) => nowMs - atMs < momentMs);
    if (this.#mockWhileRendering.forMs(mode === "mock" && isMoving, nowMs) > momentMs)
      this.#tell("mock", "no real video was said to be possible while one was rendered");
  }

  /** What the service says of one job. @param isTimeJudged the service knows of the trouble, and its estimates must too */
  noteJob(look: OwnerLook, nowMs: number, isTimeJudged: boolean): void {
    const { job, shown, outlook } = look;
    const result = job.artifacts.find(({ kind }) => kind === "result");
    if (shown.state === "succeeded" && result === undefined && !shown.is_mock)
      this.#tell("no result", "the job was called done without a result");
    if (shown.state === "succeeded" && !shown.is_mock && job.result?.servedBy.kind === "stand_in")
      this.#tell("stand-in", "a stand-in was called the real result");
    if (shown.served_by?.kind === "real" && result === undefined)
      this.#tell("stand-in", "a stand-in was called the real result");
    if (isTimeJudged && outlook.etaMs !== null) this.#noteEstimate(job.id, outlook.etaMs, nowMs);
    const estimate = this.#estimates.get(job.id);
    const endedAtMs = isDelivered(look) ? job.endedAtMs : null;
    if (estimate === undefined || endedAtMs === null || endedAtMs <= estimate.latestAtMs) return;
    const { etaMs, saidAtMs } = estimate;
    this.#tell(
      `estimate ${job.id}`,
      `a video was said to come in ${seconds(etaMs)}, and came after ${seconds(endedAtMs - saidAtMs)}`,
    );
  }

  /** What was said so far could not know of what happens now. */
  forgetTimes(): void {
    this.#estimates.clear();
  }

  /** The earliest of the times that were said counts: whoever read it had to wait longest. */
  #noteEstimate(jobId: string, etaMs: number, nowMs: number): void {
    const latestAtMs = nowMs + etaMs + Math.max(estimateGraceMs, etaMs * estimateGraceRatio);
    const former = this.#estimates.get(jobId);
    if (former === undefined || latestAtMs < former.latestAtMs)
      this.#estimates.set(jobId, { saidAtMs: nowMs, etaMs, latestAtMs });
  }

  /** What the service takes back by itself is claimed no more. */
  #noteRevision({ action, started_at_ms, to }: EventRow<"rung.revised">["data"]): void {
    if (to === "effective") return;
    const revised = refutal({ action, started_at_ms });
    this.#found.delete(revised);
    if (this.#cure !== null && refutal(this.#cure.rung) === revised) this.#cure = null;
  }

  /** A repair that was called effective, and is called so still after the same job failed in the same way, was none. */
  noteRow(row: EventRow, ownJobIds: ReadonlySet<string>): void {
    if (isRowOf(row, "rung.revised")) this.#noteRevision(row.data);
    if (isRowOf(row, "rung.ended") && row.data.outcome === "effective")
      this.#cure = { rung: row.data, endedAtMs: row.atMs };
    if (row.kind !== "job.retried" && row.kind !== "job.failed") return;
    const { jobId, atMs } = row;
    const { code, attempt_ended_as: endedAs } = row.data;
    if (jobId === null || !ownJobIds.has(jobId) || endedAs !== "error") return;
    const before = this.#failures.get(jobId);
    this.#failures.set(jobId, { code, atMs });
    const cure = this.#cure;
    if (cure === null || before?.code !== code || before.atMs > cure.endedAtMs) return;
    const after = seconds(atMs - cure.endedAtMs);
    this.#tell(
      refutal(cure.rung),
      `${cure.rung.action} was called effective, and the same job failed alike ${after} later`,
    );
  }
}
