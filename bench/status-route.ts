/** Measures the route that pages and monitors poll most against a bare Hono route with the same body. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { clock, endService, makeStateDir, startService, until } from "../test/harness/running-service.ts";
import { readsPerSecond } from "./http-client.ts";
import { type BenchResult, medianOf } from "./result.ts";

const path = "/api/v1/recovery/status";
const rounds = 7;
const load = { requestCount: 2_000, connectionCount: 16, nowMs: clock.nowMs };

async function startBare(body: unknown): Promise<{ url: URL; end: () => void }> {
  const child = spawn(process.execPath, [new URL("bare-hono.ts", import.meta.url).pathname, JSON.stringify(body)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { url: new URL(`http://127.0.0.1:${Number(line.toString())}/status`), end: () => child.kill() };
}

/** The status route of the service against a bare Hono route that answers the same text, in turns, from the same client. */
export async function benchStatus(): Promise<BenchResult[]> {
  const directory = makeStateDir();
  const service = await startService({
    stateDir: directory.path,
    env: { UNDERSTUDY_LOG_LEVEL: "warn", UNDERSTUDY_LIMITS_PER_SECOND: "1000000", UNDERSTUDY_LIMITS_BURST: "1000000" },
  });
  try {
    await until(
      "the service is ready",
      async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
      60_000,
    );
    const bare = await startBare((await service.json(path)).body);
    const url = new URL(path, service.url);
    await readsPerSecond({ url, ...load });
    await readsPerSecond({ url: bare.url, ...load });
    const pairs: { service: number; bare: number }[] = [];
    for (let round = 0; round < rounds; round += 1)
      pairs.push({
        service: await readsPerSecond({ url, ...load }),
        bare: await readsPerSecond({ url: bare.url, ...load }),
      });
    bare.end();
    const [own, peer] = [medianOf(pairs.map((pair) => pair.service)), medianOf(pairs.map((pair) => pair.bare))];
    return [
      {
        what: "answers of the status route / of a bare Hono route",
        value: medianOf(pairs.map((pair) => pair.service / pair.bare)),
        unit: "",
        limit: { kind: "atLeast", value: 0.5 },
        detail: `${Math.round(own)} /s against ${Math.round(peer)} /s, same text, ${load.connectionCount} connections, median of ${rounds}`,
      },
    ];
  } finally {
    await endService(service);
    directory.remove();
  }
}
