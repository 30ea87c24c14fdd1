/** Defects and faults that tests plant in a simulated world, to see that they are noticed. */
import { minuteMs } from "../../src/core/units.ts";
import type { World } from "./world.ts";

/** Makes the first render of a world hang for ever, once, with heartbeats that go on. */
export function createHang(): (world: World) => void {
  let isPlanned = false;
  return ({ clock, workers }) => {
    if (isPlanned) return;
    isPlanned = true;
    const plant = (): void => {
      const worker = [...workers.values()].find(({ isAlive }) => isAlive);
      if (worker === undefined) clock.setTimer(plant, minuteMs);
      else worker.armed = { fault: "stall", phase: "denoise", atStep: 3 };
    };
    clock.setTimer(plant, minuteMs);
  };
}
