import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DrillFault } from "../../../src/app/drills/drill-list.ts";
import { inflict } from "../../../src/app/drills/inflict.ts";
import { minuteMs, secondMs } from "../../../src/core/units.ts";
import { type AppWorld, createAppWorld, settled, workerId } from "../app-world.ts";

const ending = (again: "atOnce" | "inRender" | "afterRepair"): DrillFault => ({
  kind: "signal",
  signal: "SIGTERM",
  times: 3,
  again,
});

let world: AppWorld;
let strikes: number[];
let cuts: number;
let hasEnded: boolean;
let signalled: { readonly pid: number; readonly signal: string }[];

beforeEach(async () => {
  world = await createAppWorld();
  [strikes, cuts, hasEnded, signalled] = [[], 0, false, []];
});
afterEach(() => world.close());

const observer = {
  get hasBegun(): boolean {
    return strikes.length > 0;
  },
  strike: () => void strikes.push(world.clock.nowMs()),
  hasEnded: () => hasEnded,
  cutShort: () => {
    cuts += 1;
  },
};
const run = (fault: DrillFault, nextJob = async () => "job-2"): Promise<void> => {
  const host = {
    signal: ({ pid }: { readonly pid: number }, signal: string) => {
      signalled.push({ pid, signal });
      return true;
    },
  };
  return inflict({ ...world, host }, fault, { jobId: "job-1", observer, nextJob });
};
/** The worker is in the middle of the job. */
const denoise = (jobId: string): void =>
  world.progress.note({ jobId, workerId, phase: "denoise", step: 3, of: 30, leftMs: null });
/** Another process, as after a restart. */
const restart = async (): Promise<void> => {
  world.workers.get(workerId)?.die({ code: 0, signal: null });
  world.links.close(workerId);
  world.progress.clear("job-1");
  await world.connect();
};

describe("a signal that is sent again", () => {
  it("meets the same job in each process that renders it anew, and no process twice", async () => {
    await world.connect();
    denoise("job-1");
    const done = run(ending("inRender"));
    for (let left = 2; left > 0; left -= 1) {
      await world.clock.advance(secondMs);
      await restart();
      denoise("job-1");
    }
    await settled(world, done);
    expect(signalled.map(({ signal }) => signal)).toEqual(["SIGTERM", "SIGTERM", "SIGTERM"]);
    expect(new Set(signalled.map(({ pid }) => pid)).size).toBe(3);
    expect([strikes.length, cuts]).toEqual([3, 0]);
  });

  it("meets another job after each repair", async () => {
    await world.connect();
    denoise("job-1");
    const asked: string[] = [];
    await settled(
      world,
      run(ending("afterRepair"), async () => {
        const next = `job-${asked.length + 2}`;
        asked.push(next);
        await restart();
        denoise(next);
        return next;
      }),
    );
    expect([asked, signalled.length, cuts]).toEqual([["job-2", "job-3"], 3, 0]);
  });

  it.each<["atOnce" | "inRender"]>([["atOnce"], ["inRender"]])(
    "%s is cut short, and scored, when the job has ended before it could be",
    async (again) => {
      await world.connect();
      denoise("job-1");
      const done = run(ending(again));
      await world.clock.advance(secondMs);
      hasEnded = true;
      await settled(world, done);
      expect([signalled.length, cuts]).toEqual([1, 1]);
      expect(world.clock.nowMs() - (strikes[0] ?? 0)).toBeLessThan(minuteMs);
    },
  );

  it("is cut short, and scored, when no further process comes", async () => {
    await world.connect();
    denoise("job-1");
    await settled(world, run(ending("inRender")));
    expect([signalled.length, cuts]).toEqual([1, 1]);
  });
});

it("a first signal that finds no render is no drill", async () => {
  await world.connect();
  await expect(settled(world, run(ending("inRender")))).rejects.toMatchObject({ code: "DRILL_NOT_POSSIBLE" });
  expect([signalled, strikes, cuts]).toEqual([[], [], 0]);
});
