/**
 * One supervisor's life in a simulated world: the real service on simulated ports. After a crash its successor opens
 * what was durable and nothing else.
 */
import { createService, type Service, type ServicePorts } from "../../src/app/service.ts";
import { drawInteger } from "../../src/core/chance.ts";
import type { Clock } from "../../src/core/clock.ts";
import { StoreError } from "../../src/core/errors.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import { minuteMs } from "../../src/core/units.ts";
import { createApp } from "../../src/server/create-app.ts";
import type { ServerApp } from "../../src/server/http-types.ts";
import { openStore } from "../../src/store/open-store.ts";
import { silentLogger } from "../harness/silent-logger.ts";
import { type CrashPoints, createCrashPoints } from "./crash-points.ts";
import { createSimHost } from "./sim-host.ts";
import { createSimModels } from "./sim-models.ts";
import { createSimArtifacts, createSimDiskGauge, createSimMedia, createSimProbe } from "./sim-ports.ts";
import type { World } from "./world.ts";

/** One life of the supervisor; after a crash nothing of it has an effect any more. */
export interface Life {
  readonly service: Service;
  readonly app: ServerApp;
  readonly points: CrashPoints;
}

/** What a test plants: defects, to see whether the checker finds them, and crashes at chosen places. */
export interface LifeOptions {
  /** Jobs with defects of their own, workers that are ended from outside, neighbours that come and go. */
  readonly jobFaults?: boolean;
  /** What the service says is compared with what comes, and its operator triggers repairs. */
  readonly promises?: boolean;
  /** How long the service stays away after a crash; drawn when it is absent. */
  readonly absenceMs?: number;
  /** Before the life opens anything. */
  readonly onConceived?: (points: CrashPoints, world: World) => void;
  readonly changePorts?: (ports: ServicePorts, world: World) => ServicePorts;
  readonly onBegun?: (life: Life, world: World) => void;
}

/** One life in five begins with the next crash armed, so that beginning is interrupted too. */
const earlyCrashRatio = 0.2;
/** Most supervisors are back at once; some stay away until the render in hand is long complete. */
const longAbsenceRatio = 0.2;

const never = (): Promise<never> => new Promise(() => undefined);

/** The clock of one life: what waits on it when the life ends waits for ever. */
function createLifeClock(clock: Clock, isOver: () => boolean): Clock {
  return {
    nowMs: clock.nowMs,
    setTimer: (callback, delayMs) => clock.setTimer(() => (isOver() ? undefined : callback()), delayMs),
    clearTimer: clock.clearTimer,
    turn: () => clock.turn().then(() => (isOver() ? never() : undefined)),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal).then(() => (isOver() ? never() : undefined)),
  };
}

/** The database opened again: what the dead connection held in memory only (buffered rows, unwritten submissions) is gone. */
function reopenStore(world: World, clock: Clock, points: CrashPoints): Store {
  const opened = openStore({ ...world.storeOptions, clock });
  const guard = <Part extends object>(part: Part, label: string): Part =>
    points.wrap(world.troubles.wrap(part, "store"), label);
  const whole = points.wrap(opened, "store");
  return {
    nextEpoch: () => whole.nextEpoch(),
    backup: (targetPath) => whole.backup(targetPath),
    close: () => whole.close(),
    jobs: guard(opened.jobs, "jobs"),
    incidents: guard(opened.incidents, "incidents"),
    facts: guard(opened.facts, "facts"),
    keys: guard(opened.keys, "keys"),
    webhooks: guard(opened.webhooks, "webhooks"),
    events: guard(opened.events, "events"),
  };
}

function openPorts(world: World, points: CrashPoints, host: ServicePorts["host"]): ServicePorts {
  const { chance, troubles, workerWorld, disk } = world;
  const clock = createLifeClock(world.clock, () => points.hasCrashed);
  return {
    clock,
    chance,
    catalog: createModelCatalog(),
    store: reopenStore(world, clock, points),
    artifacts: points.wrap(troubles.wrap(createSimArtifacts(workerWorld, disk), "artifacts"), "artifacts"),
    disk: points.wrap(
      createSimDiskGauge(() => troubles.isIn("disk")),
      "disk",
    ),
    media: points.wrap(
      troubles.wrap(
        createSimMedia({ ...workerWorld, clock }, () => troubles.isIn("cpu")),
        "media",
      ),
      "media",
    ),
    host: points.wrap(host, "host"),
    probe: points.wrap(
      troubles.wrap(createSimProbe({ ...workerWorld, clock }, world.workers, troubles), "probe"),
      "probe",
    ),
    webhooks: { problemOf: () => null, send: async () => ({ kind: "answered", status: 200 }) },
    logger: silentLogger,
    models: createSimModels(clock, world.models, () => troubles.isIn("hub")),
  };
}

/** Begins a life; when it crashes, the next one follows after a while. */
export async function beginLife(world: World): Promise<void> {
  const { chance, config } = world;
  const points = createCrashPoints({
    chance,
    seenCalls: world.seenCalls,
    onCrash: (where) => {
      world.counts.crashes += 1;
      world.crashPlaces.set(where, (world.crashPlaces.get(where) ?? 0) + 1);
      world.current = null;
      host.abandon();
      const drawnMs =
        chance.next() < longAbsenceRatio
          ? drawInteger(chance, minuteMs, 10 * minuteMs)
          : drawInteger(chance, 500, 20_000);
      const absenceMs = world.lifeOptions.absenceMs ?? drawnMs;
      world.disturbances.note(`the supervisor ended ${where}`, world.clock.nowMs(), world.clock.nowMs() + absenceMs);
      world.clock.setTimer(() => void beginLife(world), absenceMs);
    },
  });
  const host = createSimHost(world.workerWorld, world.workers, chance, (client) => points.wrap(client, "client"));
  if (chance.next() < earlyCrashRatio && world.counts.crashes > 0 && !world.isOver)
    points.arm(drawInteger(chance, 1, 20));
  world.lifeOptions.onConceived?.(points, world);
  const ports = openPorts(world, points, host);
  const service = await createService(
    world.lifeOptions.changePorts?.(ports, world) ?? ports,
    config,
    "simulation",
  ).catch((thrown: unknown) => {
    // A process that finds its store out of order ends, and is started again.
    if (!(thrown instanceof StoreError && thrown.retryable)) throw thrown;
    points.end("beginning without a store");
    return null;
  });
  if (service === null) return;
  service.start();
  const { consent, ownConsent, allowedHosts, allowedOrigins, rateLimit, retention } = config;
  const asked = {
    consent,
    ownConsent,
    allowedHosts,
    allowedOrigins,
    rateLimit,
    resultMaxAgeMs: retention.resultMaxAgeMs,
  };
  const options = { ...asked, apiKey: null, isExposed: false, isInsecure: false };
  const life: Life = { service, app: createApp(service.serverPorts, options), points };
  world.current = life;
  world.lifeOptions.onBegun?.(life, world);
}
