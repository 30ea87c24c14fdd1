import { drawInteger } from "../../src/core/chance.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { stepsPerJob } from "./client.ts";
import { armedFaults, type SimWorker } from "./sim-worker.ts";
import { breakablePorts } from "./troubles.ts";
import type { World } from "./world.ts";

type Strike = (world: World, worker: SimWorker) => void;

const longestTroubleMs = { store: 20 * secondMs, artifacts: minuteMs, media: minuteMs, probe: 10 * minuteMs, disk: 10 * minuteMs } as const;

/** Every way in which the world may fail, equally likely. */
const strikes: readonly Strike[] = [
  ...armedFaults.map(
    (fault): Strike =>
      (world, worker) => {
        worker.armed = { fault, atStep: drawInteger(world.chance, 0, stepsPerJob - 1) };
      },
  ),
  (_world, worker) => worker.die({ code: null, signal: "SIGKILL" }),
  (world, worker) => {
    worker.bad.loads += drawInteger(world.chance, 1, 3);
    worker.die({ code: null, signal: "SIGSEGV" });
  },
  (world, worker) => {
    worker.bad.probes += drawInteger(world.chance, 1, 6);
    worker.armed = { fault: "poison", atStep: 0 };
  },
  ...breakablePorts.map(
    (port): Strike =>
      (world) =>
        world.troubles.begin(port, drawInteger(world.chance, secondMs, longestTroubleMs[port])),
  ),
];

export function strike(world: World): void {
  const worker = [...world.workers.values()].find((candidate) => candidate.isAlive);
  const chosen = strikes[drawInteger(world.chance, 0, strikes.length - 1)];
  if (worker === undefined || chosen === undefined) return;
  world.counts.faults += 1;
  chosen(world, worker);
}
