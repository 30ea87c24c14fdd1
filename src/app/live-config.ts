import type { Config } from "../config/schema.ts";

/** The configuration that is in force. Whoever reads a setting when it is needed sees a change at once. */
export interface LiveConfig {
  readonly config: Config;
  replace(next: Config): void;
}

/** Only settings that are marked live may differ in `next`: what reads the others once at the start is never wrong. */
export function createLiveConfig(first: Config): LiveConfig {
  let current = first;
  const keys = Object.keys(first) as (keyof Config)[];
  const view = Object.defineProperties({}, Object.fromEntries(keys.map((key) => [key, { enumerable: true, get: () => current[key] }])));
  return {
    config: view as Config,
    replace: (next) => {
      current = next;
    },
  };
}
