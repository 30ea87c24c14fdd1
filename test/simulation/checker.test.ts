import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { ServicePorts } from "../../src/app/service.ts";
import type { JobStore } from "../../src/core/ports/job-store.ts";
import { unknownLimits } from "../../src/recovery/step-history.ts";
import type { LifeOptions } from "./life.ts";
import { createHang } from "./planted.ts";
import { runSimulation, type SimulationOptions } from "./simulation.ts";
import type { World } from "./world.ts";

const seed = 501;
const hours = 8;

type ChangeJobs = (jobs: JobStore, sql: (text: string, ...values: string[]) => void) => Partial<JobStore>;

/** The store with some methods exchanged, and a way around it into the database. */
const withJobs = (change: ChangeJobs): LifeOptions => ({
  changePorts: (ports: ServicePorts, world: World): ServicePorts => {
    const sql = (text: string, ...values: string[]): void => {
      const database = new DatabaseSync(world.storeOptions.path);
      database.prepare(text).run(...values);
      database.close();
    };
    const { jobs } = ports.store;
    // A spread would lose the methods of the wrapped store: they are looked up when they are called.
    const changed = new Proxy(jobs, {
      get: (target, key) => Reflect.get(change(target, sql), key) ?? Reflect.get(target, key),
    });
    return { ...ports, store: { ...ports.store, jobs: changed } };
  },
});

const runAgain = "update jobs set state = 'running', ended_at = null where id = ?";

const defects: Readonly<Record<string, { readonly planted: Partial<SimulationOptions>; readonly found: RegExp }>> = {
  "an acknowledged job that is deleted": {
    planted: withJobs((jobs, sql) => ({
      submit: async (job) => {
        const outcome = await jobs.submit(job);
        if (outcome.kind === "created") sql("delete from jobs where id = ?", job.id);
        return outcome;
      },
    })),
    found: /was acknowledged and is lost/,
  },
  "a result that is committed twice": {
    planted: withJobs((jobs, sql) => ({
      commit: async (lease, artifact, result, thumbnail) => {
        const outcome = await jobs.commit(lease, artifact, result, thumbnail);
        if (outcome !== "ok") return outcome;
        sql("delete from artifacts where job_id = ? and kind = 'result'", lease.jobId);
        sql(runAgain, lease.jobId);
        return jobs.commit(lease, artifact, result, thumbnail);
      },
    })),
    found: /was committed 2 times/,
  },
  "a commit after the fence was lost": {
    planted: withJobs((jobs, sql) => ({
      commit: async (lease, artifact, result, thumbnail) => {
        await jobs.release(lease, "planted");
        sql(runAgain, lease.jobId);
        return jobs.commit(lease, artifact, result, thumbnail);
      },
    })),
    found: /was committed under fence \d+, which it had lost/,
  },
  "a stand-in that is answered as the real video": {
    // Where one worker is all there is, stand-ins are needed often.
    planted: {
      workers: 1,
      ...withJobs((jobs) => ({
        get: async (jobId) => {
          const job = await jobs.get(jobId);
          const standIn = job?.artifacts.find(({ kind }) => kind === "stand_in");
          if (job === null || standIn?.servedBy == null || job.artifacts.some(({ kind }) => kind === "result"))
            return job;
          const passedOff = { ...standIn, kind: "result", servedBy: { ...standIn.servedBy, kind: "real" } } as const;
          return { ...job, state: "succeeded", artifacts: [passedOff] };
        },
      })),
    },
    found: /shows a stand-in as the real video/,
  },
  "a machine state whose deadline is not armed": {
    planted: {
      onBegun: ({ service }) => {
        const { scheduler } = service.supervisor.system;
        const { schedule } = scheduler;
        scheduler.schedule = (source, target, event, delayMs, id) => {
          if (!event.type.includes(".stallMs.")) schedule(source, target, event, delayMs, id);
        };
      },
    },
    found: /waits in inHand\.generating\.\w+ without a deadline/,
  },
  "a deadline that never comes": {
    planted: {
      faultsPerHour: 0,
      crashesPerHour: 0,
      onBegun: (_life, world) => createHang()(world),
      changePorts: (ports) => {
        const { clock } = ports;
        const { stallMs } = unknownLimits;
        const setTimer: typeof clock.setTimer = (callback, delayMs) =>
          clock.setTimer(delayMs === stallMs ? () => undefined : callback, delayMs);
        return { ...ports, clock: { ...clock, setTimer } };
      },
    },
    found: /pipeline is in inHand\.generating\.\w+ since|an attempt holds job/,
  },
  "a job that nobody claims": {
    planted: withJobs((jobs, sql) => ({
      submit: async (job) => {
        const outcome = await jobs.submit(job);
        sql("update jobs set run_at = deadline_at * 2, deadline_at = deadline_at * 2 where id = ?", job.id);
        return outcome;
      },
    })),
    found: /is still queued long after the last fault/,
  },
};

describe("the checker of the simulation", { timeout: 120_000 }, () => {
  it("finds nothing where nothing is planted", async () => {
    expect((await runSimulation({ seed, hours })).problems).toEqual([]);
  });
  it.each(Object.entries(defects))("finds %s", async (_name, { planted, found }) => {
    const { problems } = await runSimulation({ seed, hours, ...planted });
    expect(problems).toContainEqual(expect.stringMatching(found));
  });
});
