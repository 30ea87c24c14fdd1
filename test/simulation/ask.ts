/** How the clients of a simulated world reach the service that lives now. */
import { minuteMs } from "../../src/core/units.ts";
import type { World } from "./world.ts";

/** A client hangs up on a service that does not answer for so long. */
const hangUpMs = minuteMs;

/** One request; null when no service lives, or when it ended before it answered. */
export async function ask(world: World, path: string, init: RequestInit = {}): Promise<Response | null> {
  const { current } = world;
  if (current === null) return null;
  const headers = { "content-type": "application/json", host: "localhost", ...init.headers };
  const hungUp = world.clock.sleep(hangUpMs).then(() => null);
  return Promise.race([Promise.resolve(current.app.request(path, { ...init, headers })), hungUp]);
}
