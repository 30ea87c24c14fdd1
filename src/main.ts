/** The command line's entry: arguments → configuration → command. One sentence and a non-zero exit when it cannot. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { helpText, parseArguments } from "./cli/arguments.ts";
import { backUp, drain, pause, resume } from "./cli/client-commands.ts";
import { runConfig } from "./cli/config-commands.ts";
import { showDoctor } from "./cli/doctor-command.ts";
import { listDrills, runDrill } from "./cli/drill-commands.ts";
import { exitCodes } from "./cli/exit-codes.ts";
import { runJobs } from "./cli/jobs-commands.ts";
import { loadConfig } from "./cli/load-config.ts";
import { runModels } from "./cli/models-commands.ts";
import { showReplay } from "./cli/replay.ts";
import { serve } from "./cli/serve.ts";
import { showStatus } from "./cli/status-command.ts";
import { runToken } from "./cli/token-commands.ts";
import { runWorkerCheck } from "./cli/worker-commands.ts";
import { readHubEnvironment } from "./config/hub-environment.ts";
import { UnderstudyError } from "./core/errors.ts";
import { packageRoot } from "./core/package-root.ts";

function readVersion(): string {
  const text = readFileSync(new URL("package.json", packageRoot), "utf8");
  return String((JSON.parse(text) as { version: string }).version);
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
      return exitCodes.usage;
    case "status":
      return showStatus(loadConfig(wanted).config, wanted.isJson);
    case "jobs":
      return runJobs(loadConfig(wanted).config, wanted.wanted);
    case "drain":
      return drain(loadConfig(wanted).config);
    case "pause":
      return pause(loadConfig(wanted).config, wanted.isReleasing);
    case "resume":
      return resume(loadConfig(wanted).config);
    case "drill": {
      const config = loadConfig(wanted).config;
      return wanted.drill === null ? listDrills(config) : runDrill(config, wanted.drill);
    }
    case "models":
      return runModels(loadConfig(wanted).config, wanted, readHubEnvironment(process.env));
    case "worker":
      return runWorkerCheck(wanted);
    case "config":
      return runConfig(wanted);
    case "doctor":
      return showDoctor(loadConfig(wanted).config, readHubEnvironment(process.env), wanted.isJson);
    case "token":
      return runToken(loadConfig(wanted).config, wanted);
    case "backup":
      return backUp(loadConfig(wanted).config, resolve(wanted.targetPath));
    case "replay":
      return showReplay(loadConfig(wanted).config, wanted.incidentId);
    case "serve":
      return serve(wanted, readVersion());
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (thrown) {
  if (!(thrown instanceof UnderstudyError)) throw thrown;
  process.stderr.write(`understudy: ${thrown.message}\n`);
  process.exit(thrown.code === "SERVICE_UNREACHABLE" ? exitCodes.unreachable : exitCodes.failed);
}
