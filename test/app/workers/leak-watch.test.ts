import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LeakWatch } from "../../../src/app/workers/leak-watch.ts";
import { createLeakWatch } from "../../../src/app/workers/leak-watch.ts";
import type { WorkerLinks } from "../../../src/app/workers/worker-links.ts";
import { createWorkerLinks } from "../../../src/app/workers/worker-links.ts";
import type { Store } from "../../../src/core/ports/event-log.ts";
import type { WorkerClient } from "../../../src/core/ports/worker.ts";
import { gibibyte } from "../../../src/core/units.ts";
import type { VirtualClock } from "../../../src/core/virtual-clock.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { eventOf } from "../../harness/sample-rows.ts";
import { silentLogger } from "../../harness/silent-logger.ts";

const totalBytes = 80 * gibibyte;
let clock: VirtualClock;
let store: Store;
let links: WorkerLinks;
let leaks: LeakWatch;
let sent: unknown[];

/** Whoever asks the worker after a job finds the next one under way, with memory that is no residue. */
function openLink(pid: number): void {
  let asked = 0;
  const client: Partial<WorkerClient> = {
    identity: { device: { uuid: "GPU-0", name: "a card", totalBytes } } as WorkerClient["identity"],
    stats: async () => {
      asked += 1;
      const bytes = (asked % 2) * 30 * gibibyte;
      const memory = {
        totalBytes,
        allocatedBytes: bytes,
        reservedBytes: bytes,
        freeBytes: totalBytes - bytes,
        peakBytes: bytes,
      };
      return { memory, residentModel: null, profile: null, jobsDone: asked };
    },
    onNotice: () => () => undefined,
    close: () => undefined,
  };
  const ref = { workerId: "gpu0", pid, startTicks: 1, bootId: "boot", socketPath: "worker.sock", token: "token" };
  links.open({ workerId: "gpu0", ref, client: client as WorkerClient });
}

beforeEach(() => {
  clock = createVirtualClock();
  store = openStore({ path: ":memory:", clock });
  links = createWorkerLinks();
  sent = [];
  openLink(100);
  leaks = createLeakWatch({ store, links, logger: silentLogger }, { send: (event) => sent.push(event) });
});
afterEach(async () => {
  leaks.stop();
  await store.close();
});

const finished = async (heldBytes: number): Promise<void> => {
  const about = { jobId: null, workerId: "gpu0" };
  const rows = [eventOf("render.completed", { held_bytes: heldBytes }, about), eventOf("job.succeeded", {}, about)];
  await store.events.append(rows);
  await clock.advance(60_000);
};

describe("the watch for memory that stays", () => {
  it("goes by what the worker measured between two jobs", async () => {
    for (let job = 0; job < 6; job += 1) await finished(10 * gibibyte + job * 2 * gibibyte);
    expect(leaks.trendOf("gpu0")).toMatchObject({ bytesPerJob: 2 * gibibyte, confidence: 1, jobsLeft: 10 });
    expect(sent).toEqual([]);
  });

  it("ends a worker once, while some jobs still fit", async () => {
    for (let job = 0; job < 7; job += 1) await finished(10 * gibibyte + job * 5 * gibibyte);
    expect(sent).toEqual([{ type: "worker.recycle", workerId: "gpu0" }]);
    const rows = await store.events.findKinds({ of: { kinds: ["worker.recycled"] }, limit: 10 });
    expect(rows.map(({ data }) => data)).toEqual([{ bytes_per_job: 5 * gibibyte, jobs_left: 2, confidence: 1 }]);
  });

  it("counts anew for every process", async () => {
    for (let job = 0; job < 4; job += 1) await finished(job * 4 * gibibyte);
    expect(leaks.residueOf("gpu0")).toBe(12 * gibibyte);
    openLink(101);
    expect(leaks.residueOf("gpu0")).toBeNull();
    await finished(20 * gibibyte);
    expect(leaks.trendOf("gpu0")).toBeNull();
    expect(leaks.residueOf("gpu0")).toBe(20 * gibibyte);
  });
});
