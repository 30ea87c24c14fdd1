/**
 * The HTTP application over a real store and real files, with the machines replaced by answers that a test sets. It
 * needs no socket.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApiClient } from "../../src/contract/api/api-client.ts";
import { createSeededChance } from "../../src/core/chance.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { ArtifactRef, Lease, ServedBy } from "../../src/core/job.ts";
import { createModelCatalog, type ModelCatalog } from "../../src/core/model-catalog.ts";
import type { ArtifactFiles } from "../../src/core/ports/artifact-files.ts";
import type { Store } from "../../src/core/ports/event-log.ts";
import { dayMs } from "../../src/core/units.ts";
import type { ArtifactKind } from "../../src/core/words.ts";
import { findImageProblem } from "../../src/media/image-probe.ts";
import { createApp } from "../../src/server/create-app.ts";
import type { AppOptions, ServerApp } from "../../src/server/http-types.ts";
import type { ModelPort, ServerPorts, StreamFrame } from "../../src/server/server-ports.ts";
import { createArtifactFiles } from "../../src/store/artifact-files.ts";
import { openStore } from "../../src/store/open-store.ts";
import { claimOf, leaseOf } from "./job-store-world.ts";
import { atOnce, ready, sampleOfHost } from "./server-facts.ts";
import { makePorts, type SteeredWorld } from "./server-world-ports.ts";

/** Everything real but the machines: store, artifact files and admission are the service's own. */
export interface ServerWorld extends SteeredWorld {
  readonly app: ServerApp;
  readonly store: Store;
  readonly artifacts: ArtifactFiles;
  readonly ports: ServerPorts;
  readonly frame: (frame: StreamFrame) => void;
  /** How many listen for frames. */
  readonly listenerCount: () => number;
  readonly submit: (fields?: Record<string, unknown>, headers?: Record<string, string>) => Promise<Response>;
  readonly submitted: (fields?: Record<string, unknown>) => Promise<string>;
  readonly claim: () => Promise<Lease>;
  readonly publish: (jobId: string, kind: ArtifactKind, content: Uint8Array | string) => Promise<ArtifactRef>;
  /** A stand-in that is shown. */
  readonly standIn: (jobId: string, content?: string) => Promise<ArtifactRef>;
  /** Claims and commits the oldest queued job. */
  readonly finish: (
    content?: Uint8Array | string,
  ) => Promise<{ readonly jobId: string; readonly artifact: ArtifactRef }>;
  readonly close: () => Promise<void>;
}

export interface WorldOptions extends Partial<AppOptions> {
  readonly catalog?: ModelCatalog;
  readonly models?: ModelPort;
  readonly maxQueuedJobs?: number;
}

const appDefaults: AppOptions = {
  ownConsent: { fallback: "stand_in_then_real", allow: [], floor: { width: 854, height: 480, frames: 33 } },
  resultMaxAgeMs: 30 * dayMs,
  apiKey: null,
  allowedHosts: [],
  allowedOrigins: [],
  isExposed: false,
  isInsecure: false,
  rateLimit: { perSecond: 1_000, burstCount: 10_000 },
  consent: {
    fallback: "stand_in_then_real",
    allow: ["frames", "resolution"],
    floor: { width: 854, height: 480, frames: 33 },
  },
};
const real: ServedBy = { worker: "worker-0", model: "T2V-A14B", kind: "real", isSimulated: true };
const standInBy: ServedBy = { worker: "media", model: "stand-in", kind: "stand_in", isSimulated: false };
export const smallJob = {
  model_type: "T2V-A14B",
  prompt: "a red fox runs across fresh snow",
  resolution: "854x480",
  steps: 12,
  num_frames: 33,
};

export const png = new Uint8Array(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "base64",
  ),
);

export function createServerWorld(clock: Clock, options: WorldOptions = {}): ServerWorld {
  const { maxQueuedJobs, models, catalog = createModelCatalog(), ...appOptions } = options;
  const stateDir = mkdtempSync(join(tmpdir(), "understudy-server-"));
  const chance = createSeededChance(7);
  const store = openStore({ path: ":memory:", clock, ...(maxQueuedJobs === undefined ? {} : { maxQueuedJobs }) });
  const artifacts = createArtifactFiles({ stateDir, clock });
  const listeners = new Set<(frame: StreamFrame) => void>();
  const ports = makePorts(() => world, store, { artifacts, clock, chance, catalog }, listeners, models);
  const app = createApp(ports, { ...appDefaults, ...appOptions });
  const submit: ServerWorld["submit"] = async (fields = {}, headers = {}) =>
    app.request("/api/v1/generation/submit", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ ...smallJob, ...fields }),
    });
  const publish: ServerWorld["publish"] = async (jobId, kind, content) => {
    const staged = artifacts.stagingPath(jobId, 1, kind);
    writeFileSync(staged, content);
    return artifacts.publish(staged, {
      jobId,
      fence: 1,
      kind,
      mimeType: kind === "thumbnail" ? "image/jpeg" : "video/mp4",
    });
  };
  const claim: ServerWorld["claim"] = async () => {
    const models = ["T2V-A14B", "I2V-A14B", "TI2V-5B"];
    return leaseOf(await store.jobs.claim(claimOf({ workerId: "worker-0", models })));
  };
  const world: ServerWorld = {
    app,
    store,
    artifacts,
    ports,
    defects: [],
    answers: [],
    refusedOrigins: [],
    orders: [],
    status: ready,
    promise: atOnce,
    triggered: {
      isSuccess: true,
      isPending: false,
      message: "Recovery successful using clear_gpu_cache",
      incidentId: null,
      isStandingIn: false,
      isRealGenerationEnabled: true,
      actions: [{ action: "clear_gpu_cache", outcome: "effective", reason: "4.2 GiB more are free" }],
    },
    freeBytes: 1e12,
    takesLoras: true,
    loraProblems: new Map(),
    sample: { ...sampleOfHost, atMs: clock.nowMs() },
    isIntakeDrained: false,
    isCardKnown: true,
    imageProblemOf: findImageProblem,
    progress: new Map(),
    frame: (frame) => {
      for (const listener of listeners) listener(frame);
    },
    listenerCount: () => listeners.size,
    submit,
    submitted: async (fields) => ((await (await submit(fields)).json()) as { task_id: string }).task_id,
    claim,
    publish,
    standIn: async (jobId, content = "a stand-in") => {
      const artifact = await publish(jobId, "stand_in", content);
      await store.jobs.attach(jobId, artifact, { servedBy: standInBy, reason: "the worker is being restarted" });
      return artifact;
    },
    finish: async (content = "a video") => {
      const lease = await claim();
      const artifact = await publish(lease.jobId, "result", content);
      const thumbnail = await publish(lease.jobId, "thumbnail", "a thumbnail");
      const { request } = lease.spec;
      const result = {
        servedBy: real,
        effective: request,
        changes: [],
        renderedSize: "864x480",
        durationSeconds: 2.0625,
        renderMs: 90_000,
        stepsRendered: request.steps,
      };
      await store.jobs.commit(lease, artifact, result, thumbnail);
      return { jobId: lease.jobId, artifact };
    },
    close: async () => {
      await store.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return world;
}

/** The typed client of the contract, on the application itself. */
export const typedClientOf = ({ app }: Pick<ServerWorld, "app">) =>
  createApiClient("http://localhost", {
    fetch: async (input: string | Request | URL, init?: RequestInit) => app.request(String(input), init),
  }).api.v1;
