/** Everything that may go wrong in a simulated world, drawn by chance: workers, cards, models, disk, host and hub. */
import { drawInteger } from "../../src/core/chance.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { modelIds, phases } from "../../src/core/words.ts";
import { libraryErrorNames } from "../../src/workers/simulator/library-errors.ts";
import { stepsPerJob } from "./client.ts";
import type { SimWorker } from "./sim-worker.ts";
import { type Armed, type ArmedFault, armedFaults } from "./sim-worker-types.ts";
import { breakablePorts, deviceConditions, hostConditions } from "./troubles.ts";
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
      (world) => world.troubles.begin(trouble, spanOf(world, trouble)),
    ]),
  ),
  ...Object.fromEntries(
    deviceConditions.map((condition): [string, Strike] => [
      `trouble ${condition}`,
      (world, worker) => world.troubles.begin(`${condition} ${worker.deviceUuid}`, spanOf(world, condition)),
    ]),
  ),
};

/** Meets a worker that lives, drawn by chance; the world may also fail for all of them. */
export function strike(world: World): void {
  const { chance } = world;
  const alive = [...world.workers.values()].filter((candidate) => candidate.isAlive);
  const names = Object.keys(strikes);
  const name = names[drawInteger(chance, 0, names.length - 1)] ?? "kill";
  const worker = alive[drawInteger(chance, 0, Math.max(0, alive.length - 1))];
  if (worker === undefined) return;
  world.counts.faults += 1;
  world.faultCounts.set(name, (world.faultCounts.get(name) ?? 0) + 1);
  strikes[name]?.(world, worker);
}
