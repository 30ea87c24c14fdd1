/**
 * A service with its real machines and store on a virtual clock, for tests of rooms that need more than one part: they
 * can wait for a mode without waiting for time.
 */
import { createService } from "../../src/app/service.ts";
import { UnderstudyError } from "../../src/core/errors.ts";
import type { RenderRequest } from "../../src/core/job.ts";
import { hourMs, minuteMs } from "../../src/core/units.ts";
import type { FallbackConsent, Mode } from "../../src/core/words.ts";
import type { StreamFrame } from "../../src/server/server-ports.ts";
import { createAppWorld } from "./app-world.ts";

/** A whole service on simulated workers, for rooms that read or steer the machines. */
export async function startServiceWorld(flags: Readonly<Record<string, string>> = {}, text?: string) {
  const world = await createAppWorld(flags, text);
  const { clock, store } = world;
  let sampleCount = 0;
  const probe: typeof world.probe = {
    ...world.probe,
    measure: async (options) => {
      if (world.troubles.isIn("probe")) throw new UnderstudyError("SYSTEM_RESOURCE", "nothing could be measured");
      sampleCount += 1;
      return world.probe.measure(options);
    },
  };
  const webhooks = { problemOf: () => null, send: async () => ({ kind: "answered", status: 200 }) as const };
  const service = await createService({ ...world, probe, webhooks }, world.config, "1.2.3");
  const { serverPorts: ports, supervisor } = service;
  const frames: StreamFrame[] = [];
  ports.streams.subscribe((frame) => frames.push(frame));
  const context = () => supervisor.getSnapshot().context;
  const reach = async (isReached: () => boolean, withinMs = hourMs): Promise<void> => {
    if (!(await clock.advanceUntil(isReached, withinMs))) throw new Error("the service did not get there in time");
  };
  const request: RenderRequest = {
    model: "T2V-A14B",
    prompt: "a heron",
    width: 832,
    height: 480,
    frames: 33,
    framesPerSecond: 16,
    steps: 10,
    seed: 7,
    loraPath: null,
    loraStrength: 1,
  };
  let isStopped = false;
  const end = async (): Promise<void> => {
    if (isStopped) return;
    const stopping = service.drain("quick").then(() => {
      isStopped = true;
    });
    await clock.advanceUntil(() => isStopped, hourMs);
    await stopping;
  };
  service.start();
  return {
    ...world,
    service,
    ports,
    supervisor,
    frames,
    /** How often the machine was measured. */
    samples: () => sampleCount,
    context,
    reach,
    reachMode: (mode: Mode) => reach(() => context().mode === mode),
    /** Through the door that the server uses. */
    order: async (fallback: FallbackConsent = "stand_in_then_real"): Promise<string> => {
      const outcome = await ports.admission.submit({
        spec: { request, consent: { fallback, allow: [], floor: null }, workflow: null },
        apiKeyId: "local",
        idempotencyKey: null,
        idempotencyBody: null,
      });
      if (outcome.kind !== "accepted") throw new Error(`the job was not accepted: ${outcome.kind}`);
      return outcome.job.id;
    },
    ended: async (jobId: string): Promise<string | undefined> => {
      let state: string | undefined;
      store.events.subscribe((rows) => {
        for (const row of rows) if (row.jobId === jobId && row.kind === "job.succeeded") state = "succeeded";
      });
      await clock.advanceUntil(() => state !== undefined, 10 * minuteMs);
      return (await store.jobs.get(jobId))?.state;
    },
    /** Ends the service in order, and leaves its store open to be looked at. */
    end,
    stop: async (): Promise<void> => {
      await end();
      await store.close();
    },
  };
}

export type ServiceWorld = Awaited<ReturnType<typeof startServiceWorld>>;
