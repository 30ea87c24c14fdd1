/**
 * How recovery acts on a card: the worker carries an action out, and another process measures before and after. What
 * the worker claims to have freed is never evidence by itself.
 */
import type { Clock } from "../core/clock.ts";
import { UnderstudyError, WorkerError } from "../core/errors.ts";
import type { ActionEvidence, EvidenceMeasure } from "../core/fault.ts";
import type { GpuAdapter } from "../core/ports/gpu-adapter.ts";
import type { Sample, TelemetryProbe } from "../core/ports/telemetry-probe.ts";
import type { WorkerActionReport, WorkerClient } from "../core/ports/worker.ts";
import { ifAny, present } from "../core/present.ts";
import { secondMs } from "../core/units.ts";
import type { RecoveryAction } from "../core/words.ts";

export interface GpuAdapterOptions {
  readonly clock: Clock;
  /** The view of the card from another process than the worker's. */
  readonly probe: TelemetryProbe;
  /** The live connection, looked up at the moment of each call; null while there is none. */
  readonly clientOf: (workerId: string) => WorkerClient | null;
  /** The uuid of the worker's card; null while it is unknown. */
  readonly deviceOf: (workerId: string) => string | null;
}

const lookEveryMs = 250;
const lookAtMostMs = 5 * secondMs;

interface Measured<Value> {
  readonly value: Value | null;
  /** Why there is no value. */
  readonly note: string | null;
}

const missing = (note: string): Measured<never> => ({ value: null, note });

/** What could not be measured is said, not guessed; only a defect of this program is thrown on. */
async function measured<Value>(what: string, measure: () => Promise<Measured<Value>>): Promise<Measured<Value>> {
  try {
    return await measure();
  } catch (thrown) {
    if (thrown instanceof UnderstudyError) return missing(`${what}: ${thrown.message}`);
    throw thrown;
  }
}

/** A board without memory of its own uses the host's: what is free there is what it has. */
function freeBytesOf({ gpus, gpuStatus, host }: Sample, uuid: string): Measured<number> {
  const gpu = gpus.find((candidate) => candidate.uuid === uuid);
  if (gpu === undefined)
    return missing(`the card ${uuid} was not seen${gpuStatus?.reason == null ? "" : `: ${gpuStatus.reason}`}`);
  if (gpu.totalBytes !== null && gpu.usedBytes !== null) return { value: gpu.totalBytes - gpu.usedBytes, note: null };
  if (gpu.details?.sharesHostMemory === true)
    return { value: host.memoryTotalBytes - host.memoryUsedBytes, note: `the card ${uuid} shares the host's memory` };
  return missing(
    `the card ${uuid}: ${gpu.unavailable["totalBytes"] ?? gpu.unavailable["usedBytes"] ?? "its memory was not measured"}`,
  );
}

function createMeter({
  clock,
  probe,
  clientOf,
  deviceOf,
}: GpuAdapterOptions): (workerId: string) => Promise<EvidenceMeasure> {
  const measureDevice = async (workerId: string): Promise<Measured<number>> => {
    const uuid = deviceOf(workerId);
    if (uuid === null) return missing(`the card of ${workerId} is not known`);
    return freeBytesOf(await probe.measure({ maxAgeMs: lookEveryMs }), uuid);
  };
  const measureWorker = async (
    workerId: string,
  ): Promise<Measured<{ reservedBytes: number; allocatedBytes: number }>> => {
    const client = clientOf(workerId);
    return client === null ? missing("no worker is connected") : { value: (await client.stats()).memory, note: null };
  };
  return async (workerId) => {
    const [device, worker] = await Promise.all([
      measured("the card", () => measureDevice(workerId)),
      measured("the worker", () => measureWorker(workerId)),
    ]);
    const notes = [device.note, worker.note].filter((note) => note !== null);
    return {
      atMs: clock.nowMs(),
      deviceFreeBytes: device.value,
      workerReservedBytes: worker.value?.reservedBytes ?? null,
      workerAllocatedBytes: worker.value?.allocatedBytes ?? null,
      ...present({ note: ifAny(notes)?.join("; ") }),
    };
  };
}

/**
 * A driver gives memory back some time after the worker has, so this looks until the card's free memory rose by that
 * much.
 */
async function measureUntilFreed(
  clock: Clock,
  measure: () => Promise<EvidenceMeasure>,
  before: EvidenceMeasure,
  expectedBytes: number,
  signal?: AbortSignal,
): Promise<EvidenceMeasure> {
  const untilMs = clock.nowMs() + lookAtMostMs;
  const hasRisen = ({ deviceFreeBytes }: EvidenceMeasure): boolean =>
    before.deviceFreeBytes === null ||
    (deviceFreeBytes !== null && deviceFreeBytes - before.deviceFreeBytes >= expectedBytes);
  for (;;) {
    const after = await measure();
    if (hasRisen(after) || clock.nowMs() >= untilMs) return after;
    await clock.sleep(lookEveryMs, signal);
  }
}

type Applied = Pick<WorkerActionReport, "applied"> & Partial<WorkerActionReport>;
type Apply = (client: WorkerClient) => Promise<Applied>;

/** What the worker says it gave back is waited for, never believed. */
function saidFreedBytes({ before, after }: Partial<WorkerActionReport>): number {
  return before === undefined || after === undefined ? 0 : before.reservedBytes - after.reservedBytes;
}

/** Runs one action of a worker between two measurements of its card. */
function createActing(
  { clock, clientOf }: GpuAdapterOptions,
  measure: (workerId: string) => Promise<EvidenceMeasure>,
): (
  workerId: string,
  action: RecoveryAction,
  apply: Apply,
  neededBytes: number,
  signal?: AbortSignal,
) => Promise<ActionEvidence> {
  return async (workerId, action, apply, neededBytes, signal) => {
    const before = await measure(workerId);
    const client = clientOf(workerId);
    if (client === null) throw new WorkerError("WORKER_EXITED", `no connection to ${workerId}`, { retryable: true });
    const { applied, ...report } = await apply(client);
    const expectedBytes = Math.max(neededBytes, saidFreedBytes(report), 0);
    const after = await measureUntilFreed(clock, () => measure(workerId), before, expectedBytes, signal);
    return { action, before, applied, after };
  };
}

/** Acts through the worker and measures around it with another process's eyes. Returns evidence, never an outcome. */
export function createGpuAdapter(options: GpuAdapterOptions): GpuAdapter {
  const measure = createMeter(options);
  const act = createActing(options, measure);
  return {
    measure,
    clearCache: (workerId, neededBytes, signal) =>
      act(
        workerId,
        "clear_gpu_cache",
        (client) => client.runAction({ action: "clear_gpu_cache" }, signal),
        neededBytes,
        signal,
      ),
    applyOptimization: (workerId, signal) =>
      act(
        workerId,
        "apply_vram_optimization",
        (client) => client.runAction({ action: "apply_vram_optimization" }, signal),
        0,
        signal,
      ),
    enableOffload: (workerId, { model, profile }, signal) => {
      // After a load that ran out of memory nothing is resident: then there is nothing to reload, and the model is
      // loaded.
      const reload: Apply = async (client) => {
        if ((await client.stats(signal)).residentModel === model)
          return client.runAction({ action: "enable_cpu_offload", profile }, signal);
        await client.loadModel({ model, profile }, signal);
        return { applied: [`loaded ${model} in ${profile}`] };
      };
      return act(workerId, "enable_cpu_offload", reload, 0, signal);
    },
    reduce: async (workerId, changes, signal) => {
      signal?.throwIfAborted();
      const now = await measure(workerId);
      return { action: "reduce_generation_params", before: now, applied: changes, after: now };
    },
  };
}
