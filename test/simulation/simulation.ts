import { createHash } from "node:crypto";
import { createService, type Service } from "../../src/app/service.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { type Chance, createSeededChance, drawInteger } from "../../src/core/chance.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { EventRow, Store } from "../../src/core/ports/event-log.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import { createApp } from "../../src/server/create-app.ts";
import type { ServerApp } from "../../src/server/http-types.ts";
import { openStore } from "../../src/store/open-store.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { checkWorld } from "./checker.ts";
import { type CrashPoints, createCrashPoints } from "./crash-points.ts";
import { createSimHost, type SimHost } from "./sim-host.ts";
import { createSimArtifacts, createSimDiskGauge, createSimMedia, createSimProbe, type SimDisk } from "./sim-ports.ts";
import type { ArmedFault, SimWorker, SimWorkerWorld } from "./sim-worker.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly hours: number;
  readonly jobsPerHour?: number;
  readonly faultsPerHour?: number;
  readonly crashesPerHour?: number;
  /** Sees every row as it is written, to look into a seed. */
  readonly onRow?: (row: EventRow) => void;
}

export interface SimulationFigures {
  readonly seed: number;
  readonly hours: number;
  readonly jobs: number;
  readonly faults: number;
  readonly crashes: number;
  readonly cancels: number;
  readonly rows: number;
  /** SHA-256 over all event rows: the same seed gives the same. */
  readonly digest: string;
  /** Empty when every invariant held. */
  readonly problems: readonly string[];
}

const faultKinds: readonly (ArmedFault | "kill")[] = ["crash", "hang", "stall", "oom", "poison", "corrupt", "silent", "kill"];
const stepsPerJob = 40;

/** One life of the supervisor; after a crash nothing of it has an effect any more. */
interface Incarnation {
  readonly service: Service;
  readonly app: ServerApp;
  readonly host: SimHost;
  readonly points: CrashPoints;
}

class Simulation {
  readonly clock: VirtualClock = createVirtualClock();
  readonly chance: Chance;
  readonly store: Store;
  readonly world: SimWorkerWorld;
  readonly workers = new Map<string, SimWorker>();
  readonly disk: SimDisk = { published: new Map() };
  readonly acknowledged = new Set<string>();
  readonly cancelled = new Set<string>();
  readonly commits = new Map<string, number>();
  readonly hash = createHash("sha256");
  readonly config: Config;
  readonly #onRow: ((row: EventRow) => void) | undefined;
  current: Incarnation | null = null;
  counts = { jobs: 0, faults: 0, crashes: 0, cancels: 0, rows: 0 };

  constructor({ seed, onRow }: SimulationOptions) {
    this.#onRow = onRow;
    this.chance = createSeededChance(seed);
    this.store = openStore({ path: ":memory:", clock: this.clock, quarantineDeaths: 100, hostLossLimit: 100_000, maxAttempts: 1_000 });
    this.store.events.subscribe((rows) => this.note(rows));
    this.world = {
      clock: this.clock,
      chance: this.chance,
      checkpoints: new Map(),
      files: new Map(),
      onStep: () => undefined,
      stepMs: 5 * secondMs,
      heartbeatMs: 5 * secondMs,
      checkpointEverySteps: 5,
    };
    const answer = parseConfig({
      environment: { HOME: "/nowhere", UNDERSTUDY_LOG_LEVEL: "silent" },
      flags: { "health.sample": "60s", "recovery.budgetActions": "100000", "supervision.crashLoopDeaths": "100000" },
    });
    if (answer.kind === "refused") throw new Error(answer.message);
    this.config = answer.config;
  }

  note(rows: readonly EventRow[]): void {
    for (const row of rows) {
      this.counts.rows += 1;
      this.#onRow?.(row);
      this.hash.update(`${row.seq} ${row.atMs} ${row.kind} ${row.jobId} ${JSON.stringify(row.data)}\n`);
      if (row.kind === "job.succeeded" && row.jobId !== null) this.commits.set(row.jobId, (this.commits.get(row.jobId) ?? 0) + 1);
    }
  }

  /** A clock of one life: its timers die with it. */
  clockOf(isOver: () => boolean): Clock {
    const { clock } = this;
    return {
      ...clock,
      nowMs: clock.nowMs,
      setTimer: (callback, delayMs) => clock.setTimer(() => (isOver() ? undefined : callback()), delayMs),
      turn: () => clock.turn().then(() => (isOver() ? new Promise<never>(() => undefined) : undefined)),
      sleep: (delayMs, signal) => clock.sleep(delayMs, signal).then(() => (isOver() ? new Promise<never>(() => undefined) : undefined)),
    };
  }

  async begin(): Promise<void> {
    const host = createSimHost(this.world, this.workers, this.chance);
    const points = createCrashPoints(this.chance, () => {
      this.counts.crashes += 1;
      this.current = null;
      host.abandon();
      this.clock.setTimer(() => void this.begin(), drawInteger(this.chance, 500, 20_000));
    });
    const { store, world, chance } = this;
    const clock = this.clockOf(() => points.hasCrashed);
    const wrapped: Store = {
      ...store,
      jobs: points.wrap(store.jobs, "jobs"),
      incidents: points.wrap(store.incidents, "incidents"),
      facts: points.wrap(store.facts, "facts"),
      events: points.wrap(store.events, "events"),
    };
    const service = await createService(
      {
        clock,
        chance,
        store: wrapped,
        artifacts: points.wrap(createSimArtifacts(world, this.disk), "artifacts"),
        disk: createSimDiskGauge(),
        media: points.wrap(createSimMedia({ ...world, clock }), "media"),
        host: points.wrap(host, "host"),
        probe: createSimProbe(clock, chance, this.workers),
        logger: silentLogger,
      },
      this.config,
      "simulation",
    );
    if (points.hasCrashed) return;
    service.start();
    const { consent, allowedHosts, allowedOrigins } = this.config;
    const app = createApp(service.serverPorts, { apiKey: null, allowedHosts, allowedOrigins, consent });
    this.current = { service, app, host, points };
  }

  /** The client of design §8: an idempotency key, and patience. */
  async submit(key: string): Promise<void> {
    const body = JSON.stringify({
      model_type: "T2V-A14B",
      prompt: "a red fox",
      resolution: "854x480",
      steps: stepsPerJob,
      num_frames: 33,
      seed: 7,
    });
    const headers = { "content-type": "application/json", "idempotency-key": key, host: "localhost" };
    for (let tries = 0; tries < 200; tries += 1) {
      const { current } = this;
      if (current !== null) {
        const lost = this.clock.sleep(minuteMs).then(() => null);
        const answer = await Promise.race([current.app.request("/api/v1/generation/submit", { method: "POST", headers, body }), lost]);
        if (answer?.status === 200) {
          const { task_id: id } = (await answer.json()) as { task_id: string };
          this.acknowledged.add(id);
          this.counts.jobs += 1;
          if (this.chance.next() < 0.08) this.cancelLater(id);
          return;
        }
      }
      await this.clock.sleep(5 * secondMs);
    }
  }

  cancelLater(id: string): void {
    this.clock.setTimer(
      () => {
        const { current } = this;
        if (current === null) return;
        this.counts.cancels += 1;
        this.cancelled.add(id);
        void current.app.request(`/api/v1/queue/${id}/cancel`, {
          method: "POST",
          headers: { "content-type": "application/json", host: "localhost" },
          body: "{}",
        });
      },
      drawInteger(this.chance, 0, 10 * minuteMs),
    );
  }

  strike(): void {
    const kind = faultKinds[drawInteger(this.chance, 0, faultKinds.length - 1)] ?? "kill";
    const worker = [...this.workers.values()].find((candidate) => candidate.isAlive);
    if (worker === undefined) return;
    this.counts.faults += 1;
    if (kind === "kill") worker.die({ code: null, signal: "SIGKILL" });
    else worker.armed = { fault: kind, atStep: drawInteger(this.chance, 0, stepsPerJob - 1) };
  }

  /** Random moments, exponentially spaced, until the end. */
  schedule(perHour: number, untilMs: number, act: () => void): void {
    if (perHour <= 0) return;
    const waitMs = Math.max(1, Math.round((-Math.log(1 - this.chance.next()) * hourMs) / perHour));
    if (this.clock.nowMs() + waitMs > untilMs) return;
    this.clock.setTimer(() => {
      act();
      this.schedule(perHour, untilMs, act);
    }, waitMs);
  }
}

async function isIdle(simulation: Simulation): Promise<boolean> {
  const counts = await simulation.store.jobs.counts();
  return counts.queued + counts.running === 0;
}

/** Hours of the whole service on a virtual clock: arrivals, faults, cancels and crashes of the supervisor, from one seed. */
export async function runSimulation(options: SimulationOptions): Promise<SimulationFigures> {
  const { seed, hours, jobsPerHour = 6, faultsPerHour = 2, crashesPerHour = 0.5 } = options;
  const simulation = new Simulation(options);
  const { clock, chance } = simulation;
  const untilMs = clock.nowMs() + hours * hourMs;
  let submissions = 0;
  void simulation.begin();
  simulation.schedule(jobsPerHour, untilMs, () => {
    submissions += 1;
    void simulation.submit(`job-${submissions}`);
  });
  simulation.schedule(faultsPerHour, untilMs, () => simulation.strike());
  simulation.schedule(crashesPerHour, untilMs, () => simulation.current?.points.arm(drawInteger(chance, 1, 60)));
  await clock.advance(hours * hourMs);
  // Everything owed must arrive in bounded time once nothing breaks any more.
  for (let waitedMs = 0; waitedMs < 24 * hourMs && !(await isIdle(simulation)); waitedMs += 10 * minuteMs)
    await clock.advance(10 * minuteMs);
  const problems = await checkWorld(simulation);
  await simulation.store.events.flush();
  return { seed, hours, ...simulation.counts, digest: simulation.hash.digest("hex"), problems };
}

export type { Simulation };
