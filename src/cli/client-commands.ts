/**
 * `understudy pause`, `drain` and `resume`: they ask the running service over HTTP, as any other operator's client
 * does.
 */
import type { Config } from "../config/schema.ts";
import { connect, refusalOf } from "./running-service.ts";
import { say } from "./say.ts";

/** Workers take no new job; with `isReleasing` they end when idle. 1 when a card is not free yet. */
export async function pause(config: Config, isReleasing: boolean): Promise<number> {
  const answer = await connect(config).api.v1.jobs.pause.$post({ json: { release_gpu: isReleasing } });
  if (answer.status !== 200) return sayRefusal(await answer.json());
  const { message, holding_workers: holding } = await answer.json();
  say(message);
  return isReleasing && holding.length > 0 ? 1 : 0;
}

/** Nothing new is accepted; what was accepted is rendered. */
export async function drain(config: Config): Promise<number> {
  const answer = await connect(config).api.v1.jobs.drain.$post();
  if (answer.status !== 200) return sayRefusal(await answer.json());
  say((await answer.json()).message);
  return 0;
}

/** Ends a pause and a drain. */
export async function resume(config: Config): Promise<number> {
  const answer = await connect(config).api.v1.jobs.resume.$post();
  if (answer.status !== 200) return sayRefusal(await answer.json());
  say((await answer.json()).message);
  return 0;
}

function sayRefusal(body: Readonly<Record<string, unknown>>): 1 {
  say(refusalOf({ body }));
  return 1;
}
