/**
 * Disk, media and telemetry of a simulated world. The disk remembers who really made each file, whatever the service
 * says of it.
 */
import { MediaError, StoreError } from "../../src/core/errors.ts";
import type { ArtifactFiles, DiskGauge } from "../../src/core/ports/artifact-files.ts";
import type { Media } from "../../src/core/ports/media.ts";
import type { GpuSample, TelemetryProbe } from "../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../src/core/units.ts";
import { emptyDetails } from "../../src/gpu/empty-details.ts";
import { deviceOf } from "./sim-host.ts";
import type { SimWorker } from "./sim-worker.ts";
import { deviceTotalBytes, type SimWorkerWorld } from "./sim-worker-types.ts";
import type { Troubles } from "./troubles.ts";

interface PublishedFile {
  readonly kind: string;
  readonly plays: boolean;
  /** Who really made it, whatever a row says. */
  readonly madeBy: "worker" | "media";
  readonly jobId: string;
  readonly fence: number;
}

/** What lies on the simulated disk; it outlives every supervisor. */
export interface SimDisk {
  readonly published: Map<string, PublishedFile>;
}

const nameOf = (stagedPath: string): string => stagedPath.replaceAll("/", "-");

export function createSimArtifacts(world: SimWorkerWorld, disk: SimDisk): ArtifactFiles {
  return {
    stagingPath: (jobId, fence, kind) => `staging/${jobId}-${fence}-${kind}`,
    genericStandInPath: "generic-stand-in",
    checkpointDir: (jobId) => jobId,
    publish: async (stagedPath, about) => {
      const file = world.files.get(stagedPath);
      if (file === undefined)
        throw new StoreError("STORE_UNAVAILABLE", `there is no staged file ${stagedPath}`, { retryable: true });
      const name = `${nameOf(stagedPath)}-${about.jobId}-${about.fence}`;
      disk.published.set(name, {
        kind: about.kind,
        plays: file.plays,
        madeBy: file.madeBy,
        jobId: about.jobId,
        fence: about.fence,
      });
      // A published file is read by its name, like any other.
      world.files.set(name, file);
      return { kind: about.kind, sha256: name, bytes: 1_000, mimeType: about.mimeType, name };
    },
    publishBytes: async (bytes, about) => {
      const name = `${about.jobId}-0-${about.kind}`;
      disk.published.set(name, { kind: about.kind, plays: true, madeBy: "media", jobId: about.jobId, fence: 0 });
      return { kind: about.kind, sha256: name, bytes: bytes.length, mimeType: about.mimeType, name };
    },
    discardStaged: async (stagedPath) => {
      world.files.delete(stagedPath);
    },
    read: () => new ReadableStream({ start: (controller) => controller.close() }),
    pathOf: (artifact) => artifact.name,
    remove: async (name) => {
      disk.published.delete(name);
      world.files.delete(name);
    },
    removeCheckpoints: async (jobId) => {
      world.checkpoints.delete(jobId);
    },
    sweepOrphans: async (knownNames) => {
      const orphans = [...disk.published.keys()].filter((name) => !knownNames.has(name));
      for (const name of orphans) disk.published.delete(name);
      return orphans.length;
    },
  };
}

/** Where the processor is taken, what is drawn takes so many times as long. */
const shortageFactor = 20;

export function createSimMedia(world: SimWorkerWorld, isProcessorShort: () => boolean): Media {
  const problem = (plays: boolean): string | null => (plays ? null : "cannot be decoded");
  return {
    renderStandIn: async (order) => {
      await world.clock.sleep(isProcessorShort() ? 700 * shortageFactor : 700);
      const request = {
        model: "T2V-A14B",
        prompt: "",
        width: order.width,
        height: order.height,
        frames: order.frames,
        framesPerSecond: order.framesPerSecond,
        steps: 1,
        seed: 0,
        loraPath: null,
        loraStrength: 1,
      } as const;
      world.files.set(order.outputPath, {
        plays: true,
        madeBy: "media",
        order: { jobId: "", fence: 0, request, workflow: null, outputPath: order.outputPath, checkpointDir: "" },
      });
      return {
        path: order.outputPath,
        bytes: 1,
        width: order.width,
        height: order.height,
        frames: order.frames,
        durationSeconds: order.frames / order.framesPerSecond,
      };
    },
    renderThumbnail: async (order) => {
      await world.clock.sleep(50);
      const source = world.files.get(order.sourcePath);
      if (source === undefined) throw new MediaError("OUTPUT_INVALID", `there is no file ${order.sourcePath}`);
      world.files.set(order.outputPath, source);
    },
    probe: async (path) => {
      await world.clock.sleep(150);
      const file = world.files.get(path);
      const plays = file?.plays === true;
      const { width, height, frames, framesPerSecond } = file?.order.request ?? {
        width: 0,
        height: 0,
        frames: 0,
        framesPerSecond: 1,
      };
      return {
        plays,
        width,
        height,
        frames,
        durationSeconds: frames / framesPerSecond,
        isBlack: false,
        isConstant: false,
        problem: problem(plays),
      };
    },
    imageProblemOf: async () => null,
    stop: async () => undefined,
  };
}

export function createSimDiskGauge(isFull: () => boolean): DiskGauge {
  return {
    freeBytes: async () => (isFull() ? gibibyte : 100 * gibibyte),
    releaseBallast: () => false,
    restoreBallast: async () => undefined,
  };
}

const heatedMask = 0x40;

function measureCard(
  deviceUuid: string,
  worker: SimWorker,
  weather: SimWorkerWorld["weather"],
  isHot: boolean,
): GpuSample {
  const ownBytes = worker.isAlive ? worker.memory().reservedBytes : 0;
  return {
    uuid: deviceUuid,
    name: "Simulated 80 GiB",
    totalBytes: deviceTotalBytes,
    usedBytes: Math.min(deviceTotalBytes, ownBytes + weather.neighbourBytesOf(deviceUuid)),
    utilizationRatio: 0.5,
    temperatureCelsius: isHot ? 93 : 60,
    unavailable: {},
    details: { ...emptyDetails, throttleMask: isHot ? heatedMask : 0 },
  };
}

/** What is measured from outside: the host, and every card that is not lost. */
export function createSimProbe(
  { clock, chance, weather }: SimWorkerWorld,
  workers: ReadonlyMap<string, SimWorker>,
  { isIn }: Pick<Troubles, "isIn">,
): TelemetryProbe {
  return {
    measure: async () => {
      const all = [...workers].map(([workerId, worker]) => ({ uuid: deviceOf(workerId), worker }));
      const present = all.filter(({ uuid }) => !weather.isLost(uuid));
      const atMs = clock.nowMs();
      return {
        atMs,
        gpuKind: "simulated",
        gpus: present.map(({ uuid, worker }) => measureCard(uuid, worker, weather, isIn(`heat ${uuid}`))),
        gpuStatus: {
          state: "measured",
          reason: null,
          measuredAtMs: atMs,
          evidence: present.length < all.length ? { missingDeviceCount: all.length - present.length } : {},
        },
        host: {
          cpuRatio: isIn("cpu") ? 0.98 : 0.2 + chance.next() * 0.2,
          memoryRatio: isIn("hostMemory") ? 0.97 : 0.4,
          memoryUsedBytes: gibibyte,
          memoryTotalBytes: 4 * gibibyte,
          diskFreeBytes: isIn("disk") ? gibibyte : 100 * gibibyte,
        },
      };
    },
    followProcess: async (pid) => {
      const worker = [...workers.values()].find((one) => one.pid === pid);
      return { evidence: async () => worker?.end?.machine ?? {}, end: () => undefined };
    },
    stop: async () => undefined,
  };
}
