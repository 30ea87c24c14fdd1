/**
 * What the rooms of app stand on, for their tests: a real store in memory, a virtual clock, and the simulation's workers,
 * which keep the wire's semantics. A test takes the parts that its room needs.
 */
import { DrillState } from "../../src/app/drills/drill-state.ts";
import { createDiskWatch } from "../../src/app/health/disk-watch.ts";
import { createHostMemory } from "../../src/app/health/host-memory.ts";
import { LoadGate } from "../../src/app/models/load-gate.ts";
import { createLoadedProfiles, type ProfileChange } from "../../src/app/models/loaded-profiles.ts";
import { createUnavailableModels } from "../../src/app/models/unavailable-models.ts";
import { createAttemptMemory } from "../../src/app/rendering/attempt-memory.ts";
import { createLastRenders } from "../../src/app/rendering/last-renders.ts";
import { type MisfitAbout, openLearned } from "../../src/app/rendering/learned.ts";
import { createProgressTracker } from "../../src/app/rendering/progress-tracker.ts";
import { createQueueWatch } from "../../src/app/rendering/queue-watch.ts";
import { createWaitingJobs } from "../../src/app/rendering/waiting-jobs.ts";
import { createWorkerLinks } from "../../src/app/workers/worker-links.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { createSeededChance } from "../../src/core/chance.ts";
import type { EventKind } from "../../src/core/events.ts";
import type { Lease, RenderRequest } from "../../src/core/job.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { ProcessRef } from "../../src/core/ports/worker.ts";
import { dayMs, secondMs } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import type { ModelId } from "../../src/core/words.ts";
import { envelopeOf } from "../../src/recovery/envelopes.ts";
import { openStore } from "../../src/store/open-store.ts";
import { createSimHost, deviceOf } from "../simulation/sim-host.ts";
import { createSimArtifacts, createSimDiskGauge, createSimMedia, createSimProbe } from "../simulation/sim-ports.ts";
import type { SimWorker } from "../simulation/sim-worker.ts";
import type { SimWorkerWorld } from "../simulation/sim-worker-types.ts";
import { createTroubles } from "../simulation/troubles.ts";
import { claimOf, type JobOptions, leaseOf, makeJob } from "../unit/job-store-world.ts";

/** Flags as people write them, over the defaults with one simulated worker. */
export function configOf(flags: Readonly<Record<string, string>> = {}, text?: string): Config {
  const file = text === undefined ? {} : { file: { path: "understudy.yaml", text } };
  const answer = parseConfig({ flags: { stateDir: "/nowhere", ...flags }, ...file });
  if (answer.kind === "refused") throw new Error(answer.message);
  return answer.config;
}

export const workerId = "worker-0";

/** What speaks against a size was found on a card of its own. */
export const foundClean: MisfitAbout = { isClean: true, phase: "denoise" };

/** Lines of the log, to be looked at. */
function createKeptLog() {
  const lines: Readonly<Record<string, unknown>>[] = [];
  const keep = (line: Readonly<Record<string, unknown>>): void => void lines.push(line);
  return { lines, logger: { info: keep, warn: keep, error: keep, setLevel: () => undefined } };
}

/** @param flags of the configuration */
export async function createAppWorld(flags: Readonly<Record<string, string>> = {}, text?: string) {
  const clock = createVirtualClock();
  const chance = createSeededChance(7);
  const catalog = createModelCatalog();
  const config = configOf(flags, text);
  const store = openStore({ path: ":memory:", clock });
  const troubles = createTroubles(clock);
  let neighbourBytes = 0;
  const brokenModels = new Set<ModelId>();
  const workerWorld: SimWorkerWorld = {
    clock,
    chance,
    catalog,
    weather: {
      neighbourBytesOf: () => neighbourBytes,
      isLost: (deviceUuid) => troubles.isIn(`cardLost ${deviceUuid}`),
      sickness: { isSick: () => false, meet: () => false },
    },
    brokenModels,
    defects: new Map(),
    onStruck: () => undefined,
    onDefect: () => undefined,
    blamedJobs: new Set(),
    checkpoints: new Map(),
    files: new Map(),
    keptAttempts: new Set(),
    stepMs: secondMs,
    heartbeatMs: 5 * secondMs,
    checkpointEverySteps: 2,
  };
  const workers = new Map<string, SimWorker>();
  const host = createSimHost(workerWorld, workers, chance, (client) => client);
  const links = createWorkerLinks();
  const probe = createSimProbe(workerWorld, workers, troubles);
  const disk = createSimDiskGauge(() => troubles.isIn("disk"));
  const { lines, logger } = createKeptLog();
  const published = new Map();
  const profileChanges: ProfileChange[] = [];

  /** Starts a worker and connects it, as the worker machine does. */
  const connect = async (id = workerId): Promise<{ readonly worker: SimWorker; readonly ref: ProcessRef }> => {
    const ref = await host.spawn(id);
    const connecting = host.connect(ref, AbortSignal.any([]));
    await clock.advance(secondMs);
    links.open({ workerId: id, ref, client: await connecting });
    const worker = workers.get(id);
    if (worker === undefined) throw new Error("the worker was not started");
    return { worker, ref };
  };
  const submit = async (options: JobOptions = {}): Promise<string> => {
    const job = makeJob(clock.nowMs() + dayMs, options);
    await store.jobs.submit(job);
    return job.id;
  };
  const claim = async (id = workerId): Promise<Lease> => {
    const models = ["T2V-A14B", "I2V-A14B", "TI2V-5B"];
    return leaseOf(await store.jobs.claim(claimOf({ workerId: id, models, leaseMs: config.leaseMs })));
  };
  /** Rows of these kinds, oldest first, as people who read the timeline see them. */
  const rows = async <Kind extends EventKind>(...kinds: readonly Kind[]) => {
    await store.events.flush();
    return store.events.findKinds({ of: { kinds }, limit: 100 });
  };
  return {
    clock,
    chance,
    config,
    store,
    catalog,
    troubles,
    workerWorld,
    brokenModels,
    workers,
    host,
    links,
    probe,
    disk,
    lines,
    logger,
    published,
    epoch: 1,
    artifacts: createSimArtifacts(workerWorld, { published }),
    media: createSimMedia(workerWorld, () => troubles.isIn("cpu")),
    hostMemory: createHostMemory(probe),
    profiles: createLoadedProfiles({
      first: config.loadProfile,
      clock,
      richerAfterMs: () => config.supervision.richerAfterMs,
      onChange: (change) => void profileChanges.push(change),
    }),
    profileChanges,
    noteRoom: (): void => undefined,
    profileOf: () => null,
    attempts: createAttemptMemory(),
    lastRenders: createLastRenders(),
    waitingJobs: createWaitingJobs(),
    progress: createProgressTracker(clock),
    queue: createQueueWatch({ store, clock, logger }),
    drill: new DrillState(),
    diskWatch: createDiskWatch(disk, config.disk.minFreeBytes),
    unavailableModels: createUnavailableModels(clock, () => config.recovery.lookBack),
    loadGate: new LoadGate({ measureFreeBytes: async () => null }),
    models: null,
    ...(await openLearned(store, clock)),
    deviceUuid: deviceOf(workerId),
    /** The size of a request, as what renders teach is kept by it. */
    envelopeOf: (request: RenderRequest) => envelopeOf(catalog, request),
    /** Others take so much of every card. */
    setNeighbour: (bytes: number): void => {
      neighbourBytes = bytes;
    },
    connect,
    submit,
    claim,
    claimNew: async (options: JobOptions = {}): Promise<Lease> => {
      await submit(options);
      return claim();
    },
    rows,
    stateOf: async (jobId: string) => (await store.jobs.get(jobId))?.state ?? null,
    close: () => store.close(),
  };
}

export type AppWorld = Awaited<ReturnType<typeof createAppWorld>>;

/** Lets the clock run until the promise has settled, for an hour at most. */
export async function settled<Result>({ clock }: Pick<AppWorld, "clock">, promise: Promise<Result>): Promise<Result> {
  let isOver = false;
  const done = (): void => {
    isOver = true;
  };
  promise.then(done, done);
  await clock.advanceUntil(() => isOver, 3_600 * secondMs);
  return promise;
}
