import { startService } from "../app/start-service.ts";
import type { Config } from "../config/schema.ts";

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

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
      ? ["  Inspect the machines (opens Stately's hosted viewer, which is fed by your browser):", `    ${address}/inspector`]
      : []),
  ].join("\n");
}

/** Runs the service until a signal; resolves with the exit code. */
export async function serve(config: Config, version: string): Promise<number> {
  const running = await startService(config, version);
  say(banner(config, running.address));
  const told = new Set<number>();
  const tellWorkers = running.service.parts.store.events.subscribe((rows) => {
    for (const row of rows) {
      const pid = row.kind === "worker.connected" ? Number(row.data["pid"]) : 0;
      if (pid === 0 || told.has(pid)) continue;
      told.add(pid);
      say(
        `  Worker ${row.workerId ?? ""} ${row.data["adopted"] === true ? "taken up again" : "is up"}; to see what happens when it dies:\n    kill -9 ${pid}`,
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
      say(isLeaving ? "\n  Leaving; renders go on." : "\n  Stopping; what was accepted is kept. Once more ends at once.");
      void (isLeaving ? running.leave() : running.stop()).then(() => resolve(0));
    };
    process.on("SIGINT", () => end("SIGINT"));
    process.on("SIGTERM", () => end("SIGTERM"));
  });
}
