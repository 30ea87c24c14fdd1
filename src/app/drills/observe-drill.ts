/**
 * Watches a drill as the owners of its jobs see it: what they are told, what they can play, when they have their video,
 * and how long a bystander waits. Rows of the service say only what the fault was recognised as and what was done.
 */
import type { Clock } from "../../core/clock.ts";
import type { DrillStage, ScoreCard, StageTimes } from "../../core/drill.ts";
import { type EventRow, isRowOf } from "../../core/events.ts";
import type { JobProgress } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { withRevisions } from "../../core/rung-revisions.ts";
import { secondMs } from "../../core/units.ts";
import type { LoadProfile, Mode } from "../../core/words.ts";
import type { OpenIncidents } from "../../machines/supervisor-facts.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import { ClaimCheck } from "./claim-check.ts";
import type { Drill } from "./drill-list.ts";
import { isAnyAwaited, judgeExpectations, type Seen } from "./expectations.ts";
import { type Before, isDelivered, isTold, type OwnerLook, type OwnerView, watchableSinceMs } from "./owner-view.ts";

export interface ObserveNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly store: Pick<Store, "events" | "jobs">;
  readonly links: Pick<WorkerLinks, "list">;
  readonly progress: { list(): readonly JobProgress[] };
}

/** Which incidents are open while a drill runs. */
export interface ServiceView {
  getSnapshot(): { readonly context: { readonly incidents: OpenIncidents } };
}

/** Rows that are the consequence of a fault: one that fires when the worker likes has begun by the first of them. */
const consequences = [
  "worker.exited",
  "incident.opened",
  "incident.joined",
  "job.retried",
  "job.failed",
  "pipeline.stalled",
  "model.loadFailed",
  "disk.short",
] as const;

/** What the service recognised the fault as; null for rows that say nothing of it. */
function codeOf(row: EventRow): string | null {
  switch (row.kind) {
    case "incident.opened":
    case "incident.joined":
      return row.data.fault.code;
    case "job.retried":
    case "job.failed":
      return row.data.code;
    default:
      return null;
  }
}

/** `reclosed`: it has opened, and closed again. */
function breakerAfter(before: Seen["breaker"], kind: EventRow["kind"]): Seen["breaker"] {
  if (kind === "breaker.opened") return "opened";
  return kind === "breaker.closed" && before === "opened" ? "reclosed" : before;
}

/** An estimate is judged from when the service can know of the trouble; where it need not tell, after so long. */
const untoldMs = 5 * secondMs;

export interface Watched {
  readonly drill: Pick<Drill, "fault" | "limits" | "shows">;
  /** What a bystander's job takes alone. */
  readonly aloneMs: number;
}

/** Watches owners' views and rows from the moment of the fault on. */
export class DrillObserver {
  readonly #parts: ObserveNeeds;
  readonly #supervisor: ServiceView;
  readonly #owner: OwnerView;
  readonly #watched: Watched;
  readonly #before: Before;
  readonly #claims = new ClaimCheck();
  readonly #stop: () => void;
  readonly #ownIds = new Set<string>();
  readonly #bystanderIds = new Set<string>();
  readonly #reachedAtMs = new Map<DrillStage, number>();
  #faultAtMs = Number.POSITIVE_INFINITY;
  #isCutShort = false;
  readonly #codes: string[] = [];
  readonly #rungs: EventRow<"rung.ended">[] = [];
  readonly #revisions: EventRow<"rung.revised">[] = [];
  readonly #modes = new Set<Mode>();
  #breaker: Seen["breaker"] = "closed";
  readonly #profilesBefore = new Map<string, LoadProfile | null>();
  #looks: { readonly own: readonly OwnerLook[]; readonly bystanders: readonly OwnerLook[] } = {
    own: [],
    bystanders: [],
  };
  #profilesNow: ReadonlyMap<string, LoadProfile | null> = new Map();

  constructor(parts: ObserveNeeds, supervisor: ServiceView, owner: OwnerView, watched: Watched) {
    this.#parts = parts;
    this.#supervisor = supervisor;
    this.#owner = owner;
    this.#watched = watched;
    this.#before = { health: owner.status().health, isAboutHost: watched.drill.fault.kind === "blind" };
    this.#stop = parts.store.events.subscribe((rows) => {
      for (const row of rows) this.#note(row);
    });
  }

  /** Keeps the memory modes to which all has to come back. */
  async keepProfiles(): Promise<void> {
    for (const [workerId, profile] of await this.#readProfiles()) this.#profilesBefore.set(workerId, profile);
  }

  follow(jobId: string): void {
    this.#ownIds.add(jobId);
  }

  followBystander(jobId: string): void {
    this.#bystanderIds.add(jobId);
  }

  /** The fault is in effect from now on; what came before it does not count. */
  begin(atMs: number): void {
    this.#faultAtMs = Math.min(this.#faultAtMs, atMs);
  }

  /** The fault is done, for the first time or again: no time that was said before can know of it. */
  strike(): void {
    this.begin(this.#parts.clock.nowMs());
    this.#claims.forgetTimes();
  }

  get hasBegun(): boolean {
    return Number.isFinite(this.#faultAtMs);
  }

  async #readProfiles(): Promise<ReadonlyMap<string, LoadProfile | null>> {
    const read = this.#parts.links.list().map(async ({ workerId, client }) => {
      const profile = await client.stats().then(
        (stats) => stats.profile,
        () => null,
      );
      return [workerId, profile] as const;
    });
    return new Map(await Promise.all(read));
  }

  #note(row: EventRow): void {
    const code = codeOf(row);
    if (code !== null && this.#codes.at(-1) !== code) this.#codes.push(code);
    if (isRowOf(row, "rung.ended")) this.#rungs.push(row);
    if (isRowOf(row, "rung.revised")) this.#revisions.push(row);
    if (row.kind === "mode.changed") this.#modes.add(row.data.to);
    this.#breaker = breakerAfter(this.#breaker, row.kind);
    this.#claims.noteRow(row, this.#ownIds);
    if (isRowOf(row, ...consequences)) this.begin(row.atMs);
    // A card that waits in the worker meets one render after the other: each time the fault is done again.
    if (row.kind === "job.retried" && this.#watched.drill.fault.kind === "workerCard") this.#claims.forgetTimes();
  }

  #reach(stage: DrillStage, atMs: number): void {
    if (!this.#reachedAtMs.has(stage)) this.#reachedAtMs.set(stage, atMs);
  }

  async #lookAt(jobIds: ReadonlySet<string>): Promise<readonly OwnerLook[]> {
    const looks = await Promise.all([...jobIds].map((jobId) => this.#owner.look(jobId)));
    return looks.filter((look) => look !== null);
  }

  /** What was done, with the outcomes that the jobs' next attempts gave it. */
  #actions(): string[] {
    return withRevisions(this.#rungs, this.#revisions).map(({ data }) => `${data.action}: ${data.outcome}`);
  }

  #seen(): Seen {
    return {
      jobs: this.#looks.own.map(({ job }) => job),
      modes: this.#modes,
      actions: this.#actions(),
      breaker: this.#breaker,
      profilesBefore: this.#profilesBefore,
      profilesNow: this.#profilesNow,
    };
  }

  /** The first of the drill's own jobs is the one that meets the fault: its owner's view is scored. */
  #noteOwner(nowMs: number): void {
    const [look] = this.#looks.own;
    if (look === undefined || !this.hasBegun) return;
    if (isTold(look, this.#before)) this.#reach("told", nowMs);
    const watchableMs = watchableSinceMs(look);
    if (watchableMs !== null) this.#reach("watchable", watchableMs);
    if (isDelivered(look)) this.#reach("delivered", look.job.endedAtMs ?? nowMs);
  }

  #noteClaims(nowMs: number): void {
    const { own, bystanders } = this.#looks;
    const said = this.#owner.status();
    this.#modes.add(said.mode);
    const isWaitedFor = bystanders.some(({ job }) => job.state === "queued" && job.runAtMs <= nowMs);
    const connectedCount = this.#parts.links.list().length;
    this.#claims.noteService(said, isWaitedFor, { connectedCount, running: this.#parts.progress.list() }, nowMs);
    const isUntold = this.#watched.drill.limits.told === undefined;
    const knownAtMs =
      this.#reachedAtMs.get("told") ?? (isUntold ? this.#faultAtMs + untoldMs : Number.POSITIVE_INFINITY);
    for (const look of [...own, ...bystanders]) this.#claims.noteJob(look, nowMs, nowMs >= knownAtMs);
  }

  /** Looks once; true when everything is as it was before, and every job has ended. */
  async look(isFaultOver: boolean): Promise<boolean> {
    this.#looks = { own: await this.#lookAt(this.#ownIds), bystanders: await this.#lookAt(this.#bystanderIds) };
    const nowMs = this.#parts.clock.nowMs();
    this.#noteOwner(nowMs);
    this.#noteClaims(nowMs);
    const { incidents } = this.#supervisor.getSnapshot().context;
    const isCalm =
      this.#owner.status().mode === "ready" && Object.values(incidents).every(({ stage }) => stage === "returning");
    const hasEnded = [...this.#looks.own, ...this.#looks.bystanders].every(({ job }) => job.endedAtMs !== null);
    if (!this.hasBegun || !isFaultOver || !hasEnded || !isCalm) return false;
    if (this.#profilesBefore.size > 0) this.#profilesNow = await this.#readProfiles();
    if (isAnyAwaited(this.#watched.drill.shows ?? [], this.#seen())) return false;
    this.#reach("recovered", this.#parts.clock.nowMs());
    return true;
  }

  end(): void {
    this.#stop();
  }

  hasEnded(jobId: string): boolean {
    return this.#looks.own.some(({ job }) => job.id === jobId && job.endedAtMs !== null);
  }

  cutShort(): void {
    this.#isCutShort = true;
  }

  /** The longest of the bystanders' waits beyond such a job alone; null while one has no video. */
  #bystanderMs(): number | null {
    const tookMs = this.#looks.bystanders.map(({ job }) =>
      job.state === "succeeded" && job.endedAtMs !== null ? job.endedAtMs - job.createdAtMs : Number.POSITIVE_INFINITY,
    );
    const longestMs = Math.max(...tookMs);
    return Number.isFinite(longestMs) ? Math.max(0, longestMs - this.#watched.aloneMs) : null;
  }

  #times(): StageTimes {
    const since = (stage: DrillStage): number | null => {
      const atMs = this.#reachedAtMs.get(stage);
      return atMs === undefined ? null : Math.max(0, atMs - this.#faultAtMs);
    };
    return {
      told: since("told"),
      watchable: since("watchable"),
      delivered: since("delivered"),
      recovered: since("recovered"),
      bystander: this.#bystanderMs(),
    };
  }

  /** Accepted jobs that ended otherwise than they should, or have not ended. */
  #lostCount(): number {
    const { own, bystanders } = this.#looks;
    const isBad = this.#watched.drill.shows?.includes("ownFaultEndsIt") === true;
    const isLost = ({ job }: OwnerLook): boolean => job.endedAtMs !== null && job.state !== "succeeded";
    const missing = this.#ownIds.size + this.#bystanderIds.size - own.length - bystanders.length;
    return missing + [...(isBad ? [] : own), ...bystanders].filter(isLost).length;
  }

  /** What was seen, with times since the fault. */
  score(): Pick<
    ScoreCard,
    "times" | "falseClaims" | "recognisedAs" | "actions" | "expectations" | "lostJobCount" | "aloneMs"
  > {
    return {
      times: this.#times(),
      aloneMs: this.#watched.aloneMs,
      lostJobCount: this.#lostCount(),
      falseClaims: this.#claims.found,
      recognisedAs: this.#codes,
      actions: this.#actions(),
      expectations: [
        ...(this.#isCutShort ? [{ expected: "The service lets the fault be done to the end.", isMet: false }] : []),
        ...judgeExpectations(this.#watched.drill.shows ?? [], this.#seen()),
      ],
    };
  }
}
