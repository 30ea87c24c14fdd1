/**
 * Finds the command that carries an order out. Each is loaded when it is asked for: `--help` and `status` start at
 * once, because they need nothing of the service.
 */
import type { Config } from "../config/schema.ts";
import type { ConfigOrigin } from "./load-config.ts";
import type { CommandName, Order } from "./orders.ts";

type Commands = { readonly [C in CommandName]: (order: Order<C>, version: string) => Promise<number> };

async function configOf(origin: ConfigOrigin): Promise<Config> {
  return (await import("./load-config.ts")).loadConfig(origin).config;
}

async function hubEnvironment() {
  return (await import("../config/hub-environment.ts")).readHubEnvironment(process.env);
}

const commands: Commands = {
  serve: async (order, version) => (await import("./serve.ts")).serve(order, version),
  status: async (order) => (await import("./status-command.ts")).showStatus(await configOf(order), order.isJson),
  jobs: async (order) => (await import("./jobs-commands.ts")).runJobs(await configOf(order), order.wanted),
  drain: async (order) => (await import("./client-commands.ts")).drain(await configOf(order)),
  doctor: async (order) =>
    (await import("./doctor-command.ts")).showDoctor(await configOf(order), await hubEnvironment(), order.isJson),
  pause: async (order) => (await import("./client-commands.ts")).pause(await configOf(order), order.isReleasing),
  resume: async (order) => (await import("./client-commands.ts")).resume(await configOf(order)),
  drill: async (order) => {
    const { listDrills, runDrill } = await import("./drill-commands.ts");
    const config = await configOf(order);
    return order.drill === null ? listDrills(config) : runDrill(config, order.drill);
  },
  models: async (order) =>
    (await import("./models-commands.ts")).runModels(await configOf(order), order, await hubEnvironment()),
  config: async (order) => (await import("./config-commands.ts")).runConfig(order),
  replay: async (order) => (await import("./replay.ts")).showReplay(await configOf(order), order.incidentId),
  token: async (order) => (await import("./token-commands.ts")).runToken(await configOf(order), order),
  backup: async (order) => (await import("./backup-command.ts")).backUp(await configOf(order), order.targetPath),
  worker: async (order) => (await import("./worker-commands.ts")).runWorkerCheck(order),
  completion: async (order) => (await import("./completion-command.ts")).showCompletion(order.shell),
  propose: async (order) => (await import("./completion-command.ts")).propose(order.words),
};

/** Resolves with the exit code. */
export function carryOut<C extends CommandName>(order: Order<C>, version: string): Promise<number> {
  const command: Commands[C] = commands[order.command];
  return command(order, version);
}
