/** Whether a missing card is a fault here. On a machine that renders on its processor it is none. */
import type { Config } from "../../config/schema.ts";
import type { GpuExpectation } from "../../recovery/health.ts";

/** Simulated cards are always there; real ones where the configuration says so. */
export function gpuExpectationOf({ workers }: Config): GpuExpectation {
  if (workers.some(({ kind, device }) => kind === "simulator" || device === "cuda")) return "always";
  return workers.every(({ device }) => device === "cpu") ? "never" : "asFound";
}
