/** What the health monitor's measurements mean for others: a report for people, and a fault where a reading is critical. */
import type { FaultReport } from "../core/fault.ts";
import { present } from "../core/present.ts";
import type { FaultClass } from "../core/words.ts";
import { faultOfSample } from "../recovery/classify.ts";
import { type HealthReading, type LevelChange, listIssues, worstDevice } from "../recovery/health.ts";
import { ofHardware } from "../recovery/judge-machine.ts";
import type { HealthMonitorContext, HealthReport } from "./health-monitor-types.ts";

/** Which reading becomes which fault when it is critical. CPU load holds stand-ins back instead; it is nobody's fault. */
export const faultClassOf: Partial<Record<HealthReading, FaultClass>> = {
  memory: "hostAllocation",
  disk: "diskFull",
  inodes: "diskFull",
  vram: "outOfMemoryNeighbour",
  temperature: "thermal",
  gpuPresence: "gpuLost",
};

/** What a snapshot of this machine says about health: for pages and the API. */
export function healthReportOf(context: HealthMonitorContext): HealthReport {
  const sample = context.ring.at(-1) ?? null;
  const { status, readings } = context;
  return { status, sample, readings, issues: listIssues(readings), measuredAtMs: sample?.atMs ?? null };
}

export function faultReportOf(context: HealthMonitorContext, change: LevelChange, faultClass: FaultClass): FaultReport {
  const message =
    listIssues(context.readings).find((issue) => issue.reading === change.reading)?.message ?? change.reading;
  const deviceUuid = worstDevice(change.reading, context.ring.at(-1)?.gpus ?? [], context.envelopes);
  const workerId =
    (deviceUuid === null ? undefined : context.deviceWorkers[deviceUuid]) ??
    Object.values(context.deviceWorkers)[0] ??
    "host";
  const gpu = change.reading === "gpuPresence" ? context.ring.at(-1)?.gpuStatus?.evidence : undefined;
  const evidence = { message, ...present({ gpu }) };
  const fault = faultOfSample(ofHardware(evidence) ?? { faultClass, confidence: 0.7, decidedBy: message }, evidence);
  return {
    fault,
    workerId,
    model: null,
    jobId: null,
    atMs: context.clock.nowMs(),
  };
}
