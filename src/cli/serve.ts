/**
 * `understudy serve`: starts the service, greets, and turns signals into its end. SIGTERM ends cleanly or leaves the
 * workers running, SIGHUP reads the configuration again, and a second signal ends everything at once.
 */
import { startService } from "../app/start-service.ts";
import type { ConfigAnswer } from "../config/parse-config.ts";
import type { Config } from "../config/schema.ts";
import { UnderstudyError } from "../core/errors.ts";
import { secondMs } from "../core/units.ts";
import { type ConfigOrigin, loadConfig, readConfig } from "./load-config.ts";
import { say } from "./say.ts";

const whatRenders = ({ workers, lead }: Config): string =>
  workers.every(({ kind }) => kind === "simulator")
    ? `  SIMULATED: worker and card are simulated, and every frame says so. Main model: ${lead}.`
    : `  Main model: ${lead}, rendered by ${workers.map(({ id, kind }) => `${id} (${kind})`).join(", ")}.`;

function banner(config: Config, address: string): string {
  const body = `'{"model_type":"${config.lead}","prompt":"a red fox runs across fresh snow","resolution":"854x480","steps":20}'`;
  return [
    "",
    `  Understudy is at ${address}`,
    whatRenders(config),
    ...(config.isInsecure ? ["  INSECURE: everybody who reaches this address may do everything."] : []),
    `  State: ${config.stateDir}`,
    "",
    "  Make a video:",
    `    curl -s ${address}/api/v1/generation/submit -H 'content-type: application/json' -d ${body}`,
    "  Watch:",
    `    curl -N ${address}/api/v1/events`,
    ...(config.inspect
      ? [
          "  Inspect the machines (opens Stately's hosted viewer, which is fed by your browser):",
          `    ${address}/inspector`,
        ]
      : []),
  ].join("\n");
}

/** A file that cannot be read now is refused like one with a mistake: the service goes on. */
function readAgain(origin: ConfigOrigin): ConfigAnswer {
  try {
    return readConfig(origin);
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return { kind: "refused", code: "CONFIGURATION_INVALID", message: thrown.message, problems: [thrown.message] };
  }
}

/** Runs the service until a signal; resolves with the exit code. */
export async function serve(origin: ConfigOrigin, version: string): Promise<number> {
  const accepted = loadConfig(origin);
  const running = await startService(accepted, version);
  const { config } = running.service;
  say(banner(config, running.address));
  const told = new Set<number>();
  const tellWorkers = running.service.events.subscribe((rows) => {
    for (const row of rows) {
      if (row.kind === "worker.notStarted") say(`  Worker ${row.workerId ?? ""} cannot start: ${row.data.message}`);
      if (row.kind !== "worker.connected" || told.has(row.data.pid)) continue;
      const { pid, adopted } = row.data;
      told.add(pid);
      say(
        `  Worker ${row.workerId ?? ""} ${adopted ? "taken up again" : "is up"}; to see what happens when it dies:\n    kill -9 ${pid}`,
      );
    }
  });
  return new Promise((resolve) => {
    let isEnding = false;
    const end = (signal: "SIGINT" | "SIGTERM"): void => {
      if (isEnding) {
        running.killAll();
        process.exit(1);
      }
      isEnding = true;
      tellWorkers();
      const isLeaving = signal === "SIGTERM" && config.isKeepingWorkers;
      const finishMs = signal === "SIGTERM" ? config.stop.drainMs : 0;
      const waiting = finishMs === 0 ? "" : ` Jobs in hand may end within ${finishMs / secondMs} s.`;
      say(
        isLeaving
          ? "\n  Leaving; renders go on."
          : `\n  Stopping; what was accepted is kept.${waiting} Once more ends at once.`,
      );
      void (isLeaving ? running.leave() : running.stop(finishMs)).then(() => resolve(0));
    };
    process.on("SIGHUP", () => {
      if (!isEnding) void running.reload(readAgain(origin));
    });
    process.on("SIGINT", () => end("SIGINT"));
    process.on("SIGTERM", () => end("SIGTERM"));
  });
}
