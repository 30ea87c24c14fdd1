/** The command line's entry: arguments → configuration → command. One sentence and a non-zero exit when it cannot. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { helpText, parseArguments } from "./cli/arguments.ts";
import { backUp, pause, resume, showStatus } from "./cli/client-commands.ts";
import { listDrills, runDrill } from "./cli/drill-commands.ts";
import { runModels } from "./cli/models-commands.ts";
import { showReplay } from "./cli/replay.ts";
import { serve } from "./cli/serve.ts";
import { runToken } from "./cli/token-commands.ts";
import { readHubEnvironment } from "./config/hub-environment.ts";
import { parseConfig } from "./config/parse-config.ts";
import type { Config } from "./config/schema.ts";
import { UnderstudyError } from "./core/errors.ts";

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: string }).version);
}

function readFileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw new UnderstudyError("CONFIGURATION_INVALID", `The configuration file ${path} cannot be read.`, { cause: thrown });
  }
}

function loadConfig(flags: Readonly<Record<string, string>>, configPath: string | null): Config {
  const path = configPath ?? process.env["UNDERSTUDY_CONFIG"] ?? null;
  const answer = parseConfig({ flags, environment: process.env, ...(path === null ? {} : { file: { path, text: readFileText(path) } }) });
  if (answer.kind === "refused") throw new UnderstudyError(answer.code, answer.message);
  return { ...answer.config, stateDir: resolve(answer.config.stateDir) };
}

async function run(argv: readonly string[]): Promise<number> {
  const wanted = parseArguments(argv);
  switch (wanted.command) {
    case "help":
      process.stdout.write(helpText);
      return 0;
    case "version":
      process.stdout.write(`${readVersion()}\n`);
      return 0;
    case "refused":
      process.stderr.write(`${wanted.message}\n`);
      return 2;
    case "status":
      return showStatus(loadConfig(wanted.flags, wanted.configPath));
    case "pause":
      return pause(loadConfig(wanted.flags, wanted.configPath), wanted.isReleasing);
    case "resume":
      return resume(loadConfig(wanted.flags, wanted.configPath));
    case "drill": {
      const config = loadConfig(wanted.flags, wanted.configPath);
      return wanted.drill === null ? listDrills(config) : runDrill(config, wanted.drill);
    }
    case "models":
      return runModels(loadConfig(wanted.flags, wanted.configPath), wanted, readHubEnvironment(process.env));
    case "token":
      return runToken(loadConfig(wanted.flags, wanted.configPath), wanted);
    case "backup":
      return backUp(loadConfig(wanted.flags, wanted.configPath), resolve(wanted.targetPath));
    case "replay":
      return showReplay(loadConfig(wanted.flags, wanted.configPath), wanted.incidentId);
    case "serve":
      return serve(loadConfig(wanted.flags, wanted.configPath), readVersion());
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (thrown) {
  if (!(thrown instanceof UnderstudyError)) throw thrown;
  process.stderr.write(`understudy: ${thrown.message}\n`);
  process.exit(1);
}
