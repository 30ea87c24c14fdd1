/** Everything that may go wrong in a simulated world, drawn by chance: workers, cards, models, disk, host and hub. */
import { drawInteger } from "../../src/core/chance.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { modelIds, phases } from "../../src/core/words.ts";
import { libraryErrorNames } from "../../src/workers/simulator/library-errors.ts";
import { stepsPerJob } from "./sim-attempt.ts";
import type { SimWorker } from "./sim-worker.ts";
import { type Armed, type ArmedFault, armedFaults, type WorkerEnd } from "./sim-worker-types.ts";
import { breakablePorts, deviceConditions, hostConditions, type Trouble } from "./troubles.ts";
import type { World } from "./world.ts";

type Strike = (world: World, worker: SimWorker) => void;

const longestTroubleMs = {
  store: 20 * secondMs,
  artifacts: minuteMs,
  media: minuteMs,
  probe: 10 * minuteMs,
  disk: 10 * minuteMs,
  cpu: 10 * minuteMs,
  hostMemory: 10 * minuteMs,
  hub: 20 * minuteMs,
  crowd: 40 * minuteMs,
  neighbour: 20 * minuteMs,
  heat: 20 * minuteMs,
  cardLost: 30 * minuteMs,
} as const;

/** Most faults meet the long phase; the others have fewer steps to be met in. */
function drawPlace({ chance }: World): Pick<Armed, "phase" | "atStep"> {
  if (chance.next() < 0.7) return { phase: "denoise", atStep: drawInteger(chance, 0, stepsPerJob - 1) };
  return { phase: phases[drawInteger(chance, 0, phases.length - 1)] ?? "encode", atStep: 0 };
}

const arm =
  (fault: ArmedFault, errorName?: string): Strike =>
  (world, worker) => {
    // A file is finished in its last phase alone.
    const place = fault === "corrupt" || fault === "lost" ? ({ phase: "mux", atStep: 0 } as const) : drawPlace(world);
    worker.armed = { fault, ...place, ...(errorName === undefined ? {} : { errorName }) };
  };

const spanOf = ({ chance }: World, trouble: keyof typeof longestTroubleMs): number =>
  drawInteger(chance, secondMs, longestTroubleMs[trouble]);

function beginTrouble(world: World, trouble: Trouble, spanMs: number): void {
  const nowMs = world.clock.nowMs();
  world.troubles.begin(trouble, spanMs);
  world.disturbances.note(`trouble ${trouble}`, nowMs, nowMs + spanMs);
}

/** Every way in which the world may fail, equally likely. */
const strikes: Readonly<Record<string, Strike>> = {
  ...Object.fromEntries(armedFaults.filter((fault) => fault !== "raise").map((fault) => [fault, arm(fault)])),
  ...Object.fromEntries(libraryErrorNames.map((name) => [`raise ${name}`, arm("raise", name)])),
  kill: (_world, worker) => worker.die({ code: null, signal: "SIGKILL" }),
  freeze: (_world, worker) => worker.freeze(),
  "refused loads": (world, worker) => {
    worker.bad.loads += drawInteger(world.chance, 1, 3);
    worker.die({ code: null, signal: "SIGSEGV" });
  },
  "failing probes": (world, worker) => {
    worker.bad.probes += drawInteger(world.chance, 1, 6);
    worker.armed = { fault: "poison", phase: "denoise", atStep: 0 };
  },
  "broken model": (world, worker) => {
    world.models.broken.add(modelIds[drawInteger(world.chance, 0, modelIds.length - 1)] ?? "T2V-A14B");
    worker.die({ code: null, signal: "SIGSEGV" });
  },
  ...Object.fromEntries(
    [...breakablePorts, ...hostConditions].map((trouble): [string, Strike] => [
      `trouble ${trouble}`,
      (world) => beginTrouble(world, trouble, spanOf(world, trouble)),
    ]),
  ),
  ...Object.fromEntries(
    deviceConditions.map((condition): [string, Strike] => [
      `trouble ${condition}`,
      (world, worker) => beginTrouble(world, `${condition} ${worker.deviceUuid}`, spanOf(world, condition)),
    ]),
  ),
};

const end =
  (exit: WorkerEnd): Strike =>
  (_world, worker) =>
    worker.die(exit);

/** Ends whatever process this worker has, several times within minutes: often during one job. */
function hunt(world: World, { deviceUuid }: SimWorker): void {
  let leftCount = drawInteger(world.chance, 2, 6);
  const next = (): void => {
    const worker = [...world.workers.values()].find((one) => one.deviceUuid === deviceUuid);
    if (worker?.isAlive === true) {
      world.disturbances.note("hunt", world.clock.nowMs());
      leftCount -= 1;
      if (world.chance.next() < 0.5) worker.terminate(world.chance.next() < 0.5 ? 0 : 143);
      else worker.die({ code: null, signal: "SIGKILL" });
    }
    if (leftCount > 0 && !world.isOver) world.clock.setTimer(next, drawInteger(world.chance, 5, 90) * secondMs);
  };
  next();
}

/** A neighbour that comes and goes for seconds to minutes. */
function visit(world: World, worker: SimWorker, leftCount = drawInteger(world.chance, 2, 6)): void {
  const spanMs = drawInteger(world.chance, 5 * secondMs, 3 * minuteMs);
  beginTrouble(world, `neighbour ${worker.deviceUuid}`, spanMs);
  if (leftCount <= 1 || world.isOver) return;
  world.clock.setTimer(
    () => visit(world, worker, leftCount - 1),
    spanMs + drawInteger(world.chance, 5 * secondMs, 3 * minuteMs),
  );
}

/** What belongs to no worker and to no render: somebody outside ends processes, or takes the card for a while. */
const outsideStrikes: Readonly<Record<string, Strike>> = {
  "ended 0": (_world, worker) => worker.terminate(),
  "ended 143": (_world, worker) => worker.terminate(143),
  "ended by signal": end({ code: null, signal: "SIGTERM" }),
  "oom killer": end({ code: null, signal: "SIGKILL", machine: { oomKillCount: 1, hostMemoryUseRatio: 0.97 } }),
  "early oom": end({ code: 143, signal: null, machine: { oomKillCount: 0, hostMemoryUseRatio: 0.97 } }),
  hunt,
  visits: (world, worker) => visit(world, worker),
  "sick card": ({ sickCards, chance }, worker) =>
    sickCards.begin(worker.deviceUuid, drawInteger(chance, 5 * minuteMs, hourMs)),
};

/** Meets a worker that lives, drawn by chance; the world may also fail for all of them. */
export function strike(world: World): void {
  const { chance } = world;
  const alive = [...world.workers.values()].filter((candidate) => candidate.isAlive);
  const all = world.lifeOptions.jobFaults === true ? { ...strikes, ...outsideStrikes } : strikes;
  const names = Object.keys(all);
  const name = names[drawInteger(chance, 0, names.length - 1)] ?? "kill";
  const worker = alive[drawInteger(chance, 0, Math.max(0, alive.length - 1))];
  if (worker === undefined) return;
  world.counts.faults += 1;
  world.faultCounts.set(name, (world.faultCounts.get(name) ?? 0) + 1);
  world.disturbances.note(name, world.clock.nowMs());
  all[name]?.(world, worker);
}
