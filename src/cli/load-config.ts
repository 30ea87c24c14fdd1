/** Reads what a configuration is made of: flags, environment, the file, and files of secrets. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type AcceptedConfig, type ConfigAnswer, parseConfig } from "../config/parse-config.ts";
import { UnderstudyError } from "../core/errors.ts";
import { ifKnown, present } from "../core/present.ts";

export interface ConfigOrigin {
  readonly flags: Readonly<Record<string, string>>;
  /** The path that `--config` names; null where it was not given, and UNDERSTUDY_CONFIG may name one. */
  readonly configPath: string | null;
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw new UnderstudyError("CONFIGURATION_INVALID", `The ${what} ${path} cannot be read.`, { cause: thrown });
  }
}

/** Reads everything again at each call. Throws UnderstudyError CONFIGURATION_INVALID for a file that cannot be read. */
export function readConfig({ flags, configPath }: ConfigOrigin): ConfigAnswer {
  const path = configPath ?? process.env["UNDERSTUDY_CONFIG"] ?? null;
  const answer = parseConfig({
    flags,
    environment: process.env,
    readSecret: (secretPath) => readText(secretPath, "file of a secret"),
    ...present({ file: ifKnown(path, (file) => ({ path: file, text: readText(file, "configuration file") })) }),
  });
  if (answer.kind === "refused") return answer;
  return { ...answer, config: { ...answer.config, stateDir: resolve(answer.config.stateDir) } };
}

/** Throws UnderstudyError with one sentence where it is not acceptable. */
export function loadConfig(origin: ConfigOrigin): AcceptedConfig {
  const answer = readConfig(origin);
  if (answer.kind === "refused") throw new UnderstudyError(answer.code, answer.message);
  return answer;
}
