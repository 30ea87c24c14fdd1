import { afterEach, describe, expect, it } from "vitest";
import { createLiveConfig } from "../../src/app/live-config.ts";
import type { UpkeepNeeds } from "../../src/app/upkeep.ts";
import { createUpkeep } from "../../src/app/upkeep.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { listSettings } from "../../src/config/settings.ts";
import { minuteMs } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { openStore } from "../../src/store/open-store.ts";
import { silentLogger } from "../harness/silent-logger.ts";

const configOf = (text: string): Config => {
  const answer = parseConfig({ flags: { stateDir: "/nowhere" }, file: { path: "a.yaml", text } });
  if (answer.kind === "refused") throw new Error(answer.message);
  return answer.config;
};

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe("live settings", () => {
  // Those of consent, log level, queue, stand-ins, rest and drain are changed in a running process by
  // test/integration/operations.test.ts; those of the retention here, and those of webhooks where
  // test/unit/webhook-sender.test.ts and webhook-cache.test.ts change them between two tries.
  it("are these and no others", () => {
    expect(
      listSettings()
        .filter(({ isLive }) => isLive)
        .map(({ path }) => path),
    ).toEqual([
      "logLevel",
      "queue.maxJobs",
      "queue.maxJobsPerKey",
      "queue.deadline",
      "stop.drain",
      "supervision.idleUnload",
      "standIn.after",
      "retention.results",
      "retention.resultsSize",
      "retention.standIns",
      "retention.events",
      "retention.leftovers",
      "webhook.allow",
      "webhook.tries",
      "webhook.retryFirst",
      "webhook.retryLongest",
      "webhook.answer",
      "consent.fallback",
      "consent.allow",
      "consent.floor",
      "ownConsent.fallback",
      "ownConsent.allow",
      "ownConsent.floor",
    ]);
  });

  it("the next cleaning keeps by the retention that is in force then", async () => {
    const clock = createVirtualClock();
    const store = openStore({ path: ":memory:", clock });
    ends.push(() => store.close());
    const live = createLiveConfig(configOf("retention: { every: 1m, events: 1h }\n"));
    const parts = {
      clock,
      store,
      config: live.config,
      // The files' part of a cleaning takes real time, which a virtual clock does not wait for.
      artifacts: { remove: async () => undefined, sweepOrphans: async () => 0 },
      disk: { freeBytes: async () => 1e12, releaseBallast: () => false, restoreBallast: async () => undefined },
      diskWatch: { look: async () => undefined, freeBytes: () => 1e12, isShort: () => false },
      logger: silentLogger,
    } as unknown as UpkeepNeeds;
    const upkeep = createUpkeep(parts, { send: () => undefined } as unknown as Parameters<typeof createUpkeep>[1], {
      onLook: () => undefined,
      lookAtMemory: async () => undefined,
    });
    ends.push(upkeep.stop);
    await store.events.append([{ kind: "disk.short", data: { free_bytes: 0 } }]);
    await clock.advance(5 * minuteMs);
    expect(await store.events.range(0, 10)).toHaveLength(1);
    live.replace(configOf("retention: { every: 1m, events: 2m }\n"));
    await clock.advance(2 * minuteMs);
    expect(await store.events.range(0, 10)).toEqual([]);
  });
});
