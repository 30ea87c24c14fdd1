/**
 * Lets settings change while the service runs. Everybody shares one view of the configuration, so that a reload
 * reaches all of them in the same moment, and a reload that is refused reaches nobody.
 */
import type { AcceptedConfig, ConfigAnswer } from "../config/parse-config.ts";
import { planReload } from "../config/reload.ts";
import type { Config } from "../config/schema.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { Logger } from "../telemetry/logger.ts";

/** The configuration that is in force. Whoever reads a setting when it is needed sees a change at once. */
export interface LiveConfig {
  readonly config: Config;
  replace(next: Config): void;
}

/** Only settings that are marked live may differ in `next`: what reads the others once at the start is never wrong. */
export function createLiveConfig(first: Config): LiveConfig {
  let current = first;
  const keys = Object.keys(first) as (keyof Config)[];
  const view = Object.defineProperties(
    {},
    Object.fromEntries(keys.map((key) => [key, { enumerable: true, get: () => current[key] }])),
  );
  return {
    config: view as Config,
    replace: (next) => {
      current = next;
    },
  };
}

/**
 * Puts what was read again in force, as far as that can be done while the service runs; what is refused changes nothing.
 * @param onChange for who waits by a setting as it was before
 */
export function createReload(
  first: AcceptedConfig,
  live: LiveConfig,
  { logger, store }: { readonly logger: Logger; readonly store: Pick<Store, "events"> },
  onChange: () => void,
): (answer: ConfigAnswer) => Promise<void> {
  let running = first;
  return async (answer) => {
    const reload = answer.kind === "refused" ? answer : planReload(running, answer);
    if (reload.kind === "refused") {
      logger.error({
        event: "configuration.refused",
        message: `${reload.message} The service goes on with what it has.`,
      });
      return;
    }
    running = reload.accepted;
    live.replace(running.config);
    logger.setLevel(running.config.logLevel);
    onChange();
    const { applied, waiting } = reload;
    logger.warn({ event: "configuration.reloaded", applied, waiting });
    await store.events.append([{ kind: "configuration.reloaded", data: { applied, waiting } }]);
  };
}
