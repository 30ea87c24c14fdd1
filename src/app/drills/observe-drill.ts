/**
 * Judges a drill from outside: by the rows that the service writes, by its mode, and by what the owner of the drill's
 * job sees. A claim that a look at the parts contradicts counts against the service.
 */
import type { Clock } from "../../core/clock.ts";
import type { ScoreCard } from "../../core/drill.ts";
import { type EventRow, isRowOf } from "../../core/events.ts";
import type { JobView } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { withRevisions } from "../../core/rung-revisions.ts";
import type { Mode } from "../../core/words.ts";
import { isUsable, type OpenIncidents, type WorkersFacts } from "../../machines/supervisor-facts.ts";

export interface ObserveNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly store: Pick<Store, "events" | "jobs">;
}

/** What the service says of itself while a drill runs. */
export interface ServiceView {
  getSnapshot(): {
    readonly context: { readonly mode: Mode; readonly workers: WorkersFacts; readonly incidents: OpenIncidents };
  };
}

/** Rows by which the service tells that something is wrong. */
const alarms = [
  "worker.exited",
  "incident.opened",
  "incident.joined",
  "job.retried",
  "job.failed",
  "pipeline.stalled",
  "model.loadFailed",
  "model.setAside",
  "disk.short",
  "health.changed",
] as const;

/** What the service recognised the fault as; null for rows that say nothing of it. */
function codeOf(row: EventRow): string | null {
  switch (row.kind) {
    case "incident.opened":
    case "incident.joined":
      return row.data.fault.code;
    case "job.retried":
      return row.data.code;
    default:
      return null;
  }
}

/** A place in the queue, a stand-in or the result: the owner knows where the job stands. Rendering under a dead worker is no answer. */
const isAnswered = (job: JobView): boolean =>
  job.state !== "running" || job.artifacts.some(({ kind }) => kind === "stand_in");

/** What the service says of itself now that a look at its parts contradicts; null when nothing. */
function findFalseClaim(supervisor: ServiceView, job: JobView | null): string | null {
  const { mode, workers } = supervisor.getSnapshot().context;
  if (mode === "ready" && !Object.values(workers).some(isUsable))
    return "the mode was ready while no worker could render";
  if (job === null || job.state !== "succeeded") return null;
  const hasResult = job.artifacts.some(({ kind }) => kind === "result");
  if (!hasResult) return "the job was called done without a result";
  return job.result?.servedBy.kind === "real" ? null : "a stand-in was called the real result";
}

/** Watches rows and parts from the moment of the fault on. */
export class DrillObserver {
  readonly #parts: ObserveNeeds;
  readonly #supervisor: ServiceView;
  #jobId = "";
  readonly #isHarmless: boolean;
  readonly #stop: () => void;
  #faultAtMs = Number.POSITIVE_INFINITY;
  #detectedAtMs: number | null = null;
  #answeredAtMs: number | null = null;
  #recoveredAtMs: number | null = null;
  readonly #falseClaims = new Set<string>();
  readonly #codes: string[] = [];
  readonly #rungs: EventRow<"rung.ended">[] = [];
  readonly #revisions: EventRow<"rung.revised">[] = [];

  /** @param isHarmless the fault costs time and nothing else, so that nothing has to be noticed */
  constructor(parts: ObserveNeeds, supervisor: ServiceView, isHarmless: boolean) {
    this.#parts = parts;
    this.#isHarmless = isHarmless;
    this.#supervisor = supervisor;
    this.#stop = parts.store.events.subscribe((rows) => {
      for (const row of rows) this.#note(row);
    });
  }

  follow(jobId: string): void {
    this.#jobId = jobId;
  }

  /** The fault is in effect from now on; what came before it does not count. */
  begin(atMs: number): void {
    this.#faultAtMs = Math.min(this.#faultAtMs, atMs);
    if (this.#isHarmless) this.#detectedAtMs ??= this.#faultAtMs;
  }

  get hasBegun(): boolean {
    return Number.isFinite(this.#faultAtMs);
  }

  #note(row: EventRow): void {
    const code = codeOf(row);
    if (code !== null && this.#codes.at(-1) !== code) this.#codes.push(code);
    if (isRowOf(row, "rung.ended")) this.#rungs.push(row);
    if (isRowOf(row, "rung.revised")) this.#revisions.push(row);
    if (!isRowOf(row, ...alarms) || this.#detectedAtMs !== null) return;
    // A fault that fires at a moment of the worker's own choosing is known by its first consequence.
    this.begin(row.atMs);
    this.#detectedAtMs = row.atMs;
  }

  /** Looks once; true when everything is as it was before, with the job's real result. */
  async look(isFaultOver: boolean): Promise<boolean> {
    const { clock, store } = this.#parts;
    const job = await store.jobs.get(this.#jobId);
    const claim = findFalseClaim(this.#supervisor, job);
    if (claim !== null) this.#falseClaims.add(claim);
    const nowMs = clock.nowMs();
    const isKnown = this.#detectedAtMs !== null;
    if (job !== null && isKnown && (this.#isHarmless || isAnswered(job))) this.#answeredAtMs ??= nowMs;
    const { mode, incidents } = this.#supervisor.getSnapshot().context;
    const isCalm = mode === "ready" && Object.values(incidents).every(({ stage }) => stage === "returning");
    if (!this.hasBegun || !isFaultOver || job?.state !== "succeeded" || !isCalm) return false;
    this.#recoveredAtMs ??= nowMs;
    this.#answeredAtMs ??= nowMs;
    return true;
  }

  end(): void {
    this.#stop();
  }

  /** Times since the fault, and what was seen. */
  score(): Pick<ScoreCard, "detectedMs" | "answeredMs" | "recoveredMs" | "falseClaims" | "recognisedAs" | "actions"> {
    const since = (atMs: number | null): number | null =>
      atMs === null || !this.hasBegun ? null : Math.max(0, atMs - this.#faultAtMs);
    return {
      detectedMs: since(this.#detectedAtMs),
      answeredMs: since(this.#answeredAtMs),
      recoveredMs: since(this.#recoveredAtMs),
      falseClaims: [...this.#falseClaims],
      recognisedAs: this.#codes,
      actions: withRevisions(this.#rungs, this.#revisions).map(({ data }) => `${data.action}: ${data.outcome}`),
    };
  }
}
