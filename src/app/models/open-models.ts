/** Opens the cache of model files with this configuration's limits and the hub's access from the environment. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { HubEnvironment } from "../../config/hub-environment.ts";
import type { Config } from "../../config/schema.ts";
import type { Chance } from "../../core/chance.ts";
import type { Clock } from "../../core/clock.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelCache } from "../../core/ports/model-cache.ts";
import { mebibyte, minuteMs } from "../../core/units.ts";
import { HubClient } from "../../models/hub-client.ts";
import { createModelCache } from "../../models/model-cache.ts";
import { retryJitterRatio } from "../../recovery/retry-delays.ts";

function tokenOf({ token, tokenPath }: HubEnvironment): string | null {
  if (token !== null || !existsSync(tokenPath)) return token;
  const saved = readFileSync(tokenPath, "utf8").trim();
  return saved === "" ? null : saved;
}

/** The models of the catalogue, in the cache that the environment names. */
export function openModels(
  config: Config,
  environment: HubEnvironment,
  { clock, chance, catalog }: { readonly clock: Clock; readonly chance: Chance; readonly catalog: ModelCatalog },
): ModelCache {
  const { connectionCount, stallMs, marginBytes } = config.models;
  return createModelCache(catalog, {
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
      retry: { ...config.recovery.retries.downloads, jitterRatio: retryJitterRatio, longestAskedMs: 10 * minuteMs },
    },
  });
}
