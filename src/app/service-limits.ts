/** From settings to limits: the one place where the machines' defaults meet the configuration. */
import type { Config } from "../config/schema.ts";
import { UnderstudyError } from "../core/errors.ts";
import type { SubsystemLimits } from "../machines/supervisor-types.ts";
import { defaultWorkerLimits } from "../machines/worker-types.ts";
import { type Ladders, validateLadders } from "../recovery/ladders.ts";

/** What the machines keep to, as this configuration sets it. */
export function subsystemLimits(config: Pick<Config, "recovery" | "supervision" | "health">): SubsystemLimits {
  const { recovery, supervision } = config;
  return {
    worker: {
      crashLoopDeathCount: supervision.crashLoopDeathCount,
      crashLoopWindowMs: supervision.crashLoopWindowMs,
      handshakeMs: supervision.handshakeMs,
      backoffMs: defaultWorkerLimits.backoffMs.map((ms) => Math.min(ms, supervision.backoffLongestMs)),
    },
    loader: { loads: recovery.retries.loads, downloadCount: recovery.retries.downloads.tryCount },
    breaker: { ...recovery.breaker },
    health: {
      thresholds: config.health.thresholds,
      sampleEveryMs: config.health.sampleEveryMs,
      checkEveryMs: config.health.checkEveryMs,
      overdueMs: config.health.sampleEveryMs * 4,
    },
    recovery: { climbCount: recovery.climbCount, cooldownMs: recovery.cooldownMs, lookBack: recovery.lookBack },
    budget: recovery.budget,
  };
}

/** Throws UnderstudyError CONFIGURATION_INVALID. */
export function laddersOf(config: Pick<Config, "recovery">): Ladders {
  const checked = validateLadders(config.recovery.ladders as Readonly<Record<string, readonly string[]>>);
  if (checked.kind !== "valid") throw new UnderstudyError("CONFIGURATION_INVALID", checked.problems.join(" "));
  return checked.ladders;
}
