/**
 * A load generator for reads: it keeps a number of connections busy and counts answers a second. Its own cost falls on
 * both sides of a comparison alike.
 */
import { Agent, request } from "node:http";

export interface Load {
  readonly url: URL;
  readonly requestCount: number;
  readonly connectionCount: number;
  readonly nowMs: () => number;
}

function get(url: URL, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    call.on("error", reject);
    call.end();
  });
}

/** Answers a second over kept connections; throws at the first that is no 200. */
export async function readsPerSecond({ url, requestCount, connectionCount, nowMs }: Load): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connectionCount });
  let sent = 0;
  const client = async (): Promise<void> => {
    while (sent < requestCount) {
      sent += 1;
      const status = await get(url, agent);
      if (status !== 200) throw new Error(`${url.pathname} answered ${status}`);
    }
  };
  const startedAtMs = nowMs();
  await Promise.all(Array.from({ length: connectionCount }, client));
  const tookMs = nowMs() - startedAtMs;
  agent.destroy();
  return (requestCount / tookMs) * 1_000;
}
