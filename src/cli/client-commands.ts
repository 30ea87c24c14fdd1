import { join } from "node:path";
import { backupStore, readAddress } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Prints what the running service says of itself; 1 when none runs on this state directory. */
export async function showStatus(config: Config): Promise<number> {
  const address = readAddress(config.stateDir);
  if (address === null) {
    say(`No service runs on ${config.stateDir}; npm start starts one.`);
    return 1;
  }
  const answer = await fetch(
    `${address}/readyz`,
    config.apiKey === null ? {} : { headers: { authorization: `Bearer ${config.apiKey}` } },
  ).catch(() => null);
  if (answer === null) {
    say(`The service at ${address} does not answer.`);
    return 1;
  }
  say(`${address}\n${JSON.stringify(await answer.json(), null, 2)}`);
  return answer.ok ? 0 : 1;
}

/** A consistent copy of the database, while a service runs on it or not. */
export async function backUp(config: Config, targetPath: string): Promise<number> {
  await backupStore(join(config.stateDir, "understudy.db"), targetPath);
  say(`Copied to ${targetPath}.`);
  return 0;
}
