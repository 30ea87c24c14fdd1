/**
 * `understudy config schema`, `show` and `check`: what may be set, what is set and where from, and whether it is sound,
 * all without a start.
 */
import { defaultsName } from "../config/parse-config.ts";
import { configJsonSchema } from "../config/settings.ts";
import { showSettings } from "../config/write-settings.ts";
import { loadConfig, readConfig } from "./load-config.ts";
import type { Order } from "./orders.ts";
import { say } from "./say.ts";

/** Exit code 1 where something is wrong, and one line for each thing. */
export function runConfig(wanted: Order<"config">): number {
  if (wanted.verb === "schema") say(JSON.stringify(configJsonSchema(), null, 2));
  if (wanted.verb === "show") say(showSettings(loadConfig(wanted), wanted).trimEnd());
  if (wanted.verb !== "check") return 0;
  const answer = readConfig(wanted);
  if (answer.kind === "refused") {
    for (const problem of answer.problems) process.stderr.write(`${problem}\n`);
    return 1;
  }
  const givenCount = [...answer.sources.values()].filter((source) => source !== defaultsName).length;
  say(
    `The configuration is sound: ${givenCount === 1 ? "1 setting is" : `${givenCount} settings are`} given, the others have their defaults.`,
  );
  return 0;
}
