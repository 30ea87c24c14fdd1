/**
 * The service's own streams over a socket, beside a real event log in memory; told over IPC what to do. A process of its own,
 * so that its memory is nobody else's. Run with --expose-gc.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createSystemClock } from "../src/core/clock.ts";
import { listen } from "../src/server/listen.ts";
import { createServerWorld } from "../test/unit/server-world.ts";

/** Rows of `textLength` characters, `count` of them, one each `everyMs`; then what the process weighs. */
export interface SseOrder {
  readonly count: number;
  readonly everyMs: number;
  readonly textLength: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const clock = createSystemClock();
const world = createServerWorld(clock, { rateLimit: { perSecond: 1e6, burstCount: 1e6 } });
const listening = await listen(world.app, { host: "127.0.0.1", port: 0, isInsecure: false, clock });

async function obey({ count, everyMs, textLength }: SseOrder): Promise<void> {
  const text = "x".repeat(textLength);
  const startedAtMs = clock.nowMs();
  const before = process.cpuUsage();
  for (let number = 1; number <= count; number += 1) {
    await world.store.events.append([{ kind: "child.crashed", data: { child: "worker-0", message: text } }]);
    await clock.sleep(Math.max(0, startedAtMs + number * everyMs - clock.nowMs()));
  }
  const { user, system } = process.cpuUsage(before);
  // Heap that nothing holds any more says nothing about clients.
  for (let round = 0; round < 3; round += 1) {
    await clock.sleep(200);
    collect();
  }
  process.send?.({
    rssBytes: process.memoryUsage.rss(),
    cpuMs: (user + system) / 1_000,
    newestSeq: await world.store.events.newestSeq(),
    defectCount: world.defects.length,
  });
}

process.on("message", (order: SseOrder) => void obey(order));
process.on("disconnect", () => process.exit(0));
process.send?.({ port: listening.port });
