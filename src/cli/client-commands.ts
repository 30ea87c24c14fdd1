import { join } from "node:path";
import { backupStore } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";
import { askService, refusalOf, say } from "./running-service.ts";

/** Workers take no new job; with `isReleasing` they end when idle. 1 when a card is not free yet. */
export async function pause(config: Config, isReleasing: boolean): Promise<number> {
  const answer = await askService(config, "POST", "/api/v1/jobs/pause", { release_gpu: isReleasing });
  say(answer.isOk ? String(answer.body["message"]) : refusalOf(answer));
  const holding = answer.body["holding_workers"];
  const isHeld = isReleasing && Array.isArray(holding) && holding.length > 0;
  return answer.isOk && !isHeld ? 0 : 1;
}

async function change(config: Config, path: string): Promise<number> {
  const answer = await askService(config, "POST", path, {});
  say(answer.isOk ? String(answer.body["message"]) : refusalOf(answer));
  return answer.isOk ? 0 : 1;
}

/** Nothing new is accepted; what was accepted is rendered. */
export const drain = (config: Config): Promise<number> => change(config, "/api/v1/jobs/drain");

/** Ends a pause and a drain. */
export const resume = (config: Config): Promise<number> => change(config, "/api/v1/jobs/resume");

/** A consistent copy of the database, while a service runs on it or not. */
export async function backUp(config: Config, targetPath: string): Promise<number> {
  await backupStore(join(config.stateDir, "understudy.db"), targetPath);
  say(`Copied to ${targetPath}.`);
  return 0;
}
