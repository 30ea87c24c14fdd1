import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { HubEnvironment } from "../../config/hub-environment.ts";
import type { Config } from "../../config/schema.ts";
import type { Chance } from "../../core/chance.ts";
import type { Clock } from "../../core/clock.ts";
import { ModelError } from "../../core/errors.ts";
import type { ModelDesk } from "../../core/ports/model-desk.ts";
import { mebibyte, minuteMs } from "../../core/units.ts";
import { HubClient } from "../../models/hub-client.ts";
import { createModelDesk } from "../../models/model-desk.ts";
import { loadRegistry, type ModelRegistry } from "../../models/registry.ts";
import { retryJitterRatio, retryTables } from "../../recovery/retry-delays.ts";

/** Throws ModelError CONFIGURATION_INVALID. */
export function readRegistry(config: Config): ModelRegistry {
  const { registryPath } = config.models;
  if (registryPath === null) return loadRegistry();
  try {
    return loadRegistry({ path: registryPath, text: readFileSync(registryPath, "utf8") });
  } catch (thrown) {
    if (thrown instanceof ModelError) throw thrown;
    throw new ModelError("CONFIGURATION_INVALID", `The registry file ${registryPath} cannot be read.`, {
      cause: thrown,
    });
  }
}

function tokenOf({ token, tokenPath }: HubEnvironment): string | null {
  if (token !== null || !existsSync(tokenPath)) return token;
  const saved = readFileSync(tokenPath, "utf8").trim();
  return saved === "" ? null : saved;
}

/** The models that this configuration knows, in the cache that the environment names. */
export function openModels(
  config: Config,
  environment: HubEnvironment,
  { clock, chance }: { readonly clock: Clock; readonly chance: Chance },
): ModelDesk {
  const { connectionCount, stallMs, marginBytes } = config.models;
  return createModelDesk(readRegistry(config), {
    clock,
    chance,
    hub: new HubClient({ endpoint: environment.endpoint, token: tokenOf(environment), stallMs }, clock),
    cacheDir: resolve(environment.cacheDir),
    stateDir: config.stateDir,
    limits: {
      connectionCount,
      stallMs,
      marginBytes,
      partBytes: 64 * mebibyte,
      retry: { ...retryTables.model_download, jitterRatio: retryJitterRatio, longestAskedMs: 10 * minuteMs },
    },
  });
}
