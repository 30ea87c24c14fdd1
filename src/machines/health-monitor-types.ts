/**
 * What the health monitor understands, remembers and reports. A monitor that has not measured for long says that it
 * sees nothing; it never repeats the last good answer.
 */
import type { ActorRef, Snapshot } from "xstate";
import type { Clock } from "../core/clock.ts";
import type { FaultReport } from "../core/fault.ts";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import type { HealthStatus } from "../core/words.ts";
import {
  defaultHealthThresholds,
  type EnvelopeBytes,
  type GpuExpectation,
  type HealthIssue,
  type HealthReading,
  type HealthReadings,
  type HealthThresholds,
  type LevelChange,
} from "../recovery/health.ts";

export interface HealthMonitorLimits {
  readonly thresholds: HealthThresholds;
  /** How long after its start it begins by itself. */
  readonly startMs: number;
  readonly sampleEveryMs: number;
  /** How often a check is reported when nothing changes. */
  readonly checkEveryMs: number;
  /** Without any sample for this long it sees nothing. */
  readonly overdueMs: number;
  /** Failed samples in a row until it sees nothing. */
  readonly blindFailureCount: number;
  readonly restartSamplerMs: number;
  readonly ringCount: number;
}

export const defaultHealthMonitorLimits: HealthMonitorLimits = {
  thresholds: defaultHealthThresholds,
  startMs: 0,
  sampleEveryMs: 5 * secondMs,
  checkEveryMs: minuteMs,
  overdueMs: 20 * secondMs,
  blindFailureCount: 3,
  restartSamplerMs: 15 * secondMs,
  ringCount: 60,
};

/** What the service knows about its health, with the time of the measurement. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly sample: Sample | null;
  readonly readings: HealthReadings;
  readonly issues: readonly HealthIssue[];
  /** Null until something was measured. */
  readonly measuredAtMs: number | null;
}

export type HealthMonitorReport =
  | { readonly type: "health.changed"; readonly from: HealthStatus; readonly health: HealthReport }
  | { readonly type: "health.checked"; readonly health: HealthReport }
  | {
      readonly type: "threshold.crossed";
      readonly reading: HealthReading;
      readonly severity: "warning" | "critical";
      readonly value: number | null;
      readonly atMs: number;
    }
  | {
      readonly type: "threshold.left";
      readonly reading: HealthReading;
      readonly severity: "warning" | "critical";
      readonly value: number | null;
      readonly atMs: number;
    }
  /** `isHealthOnly`: measured, not suffered; it never interrupts a job. */
  | { readonly type: "fault.raised"; readonly report: FaultReport; readonly isHealthOnly: true }
  | { readonly type: "processor.ranShort" }
  | { readonly type: "processor.sufficed" };

/** What the sampler sends. */
export type SamplerEvent =
  | { readonly type: "sample.taken"; readonly sample: Sample }
  | { readonly type: "sample.failed"; readonly message: string; readonly atMs: number };

export type HealthMonitorEvent =
  | SamplerEvent
  | { readonly type: "monitor.start" }
  | { readonly type: "monitor.stop" }
  /** Measures now and reports the check; while nothing can be measured, what is known of it. */
  | { readonly type: "health.check" }
  /** Known memory of a worker's running job and resident model on its device; 0 when it holds nothing. */
  | {
      readonly type: "envelope.changed";
      readonly workerId: string;
      readonly deviceUuid: string;
      readonly knownBytes: number;
    };

export interface HealthMonitorInput {
  readonly parent: ActorRef<Snapshot<unknown>, HealthMonitorReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly gpuExpectation: GpuExpectation;
  readonly limits?: Partial<HealthMonitorLimits>;
}

export interface HealthMonitorContext {
  readonly parent: ActorRef<Snapshot<unknown>, HealthMonitorReport>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly gpuExpectation: GpuExpectation;
  readonly limits: HealthMonitorLimits;
  readonly readings: HealthReadings;
  /** Level changes of the newest sample. */
  readonly changes: readonly LevelChange[];
  /** The newest samples, oldest first. */
  readonly ring: readonly Sample[];
  readonly envelopes: EnvelopeBytes;
  /** Device uuid → worker. */
  readonly deviceWorkers: Readonly<Record<string, string>>;
  readonly failedSampleCount: number;
  readonly status: HealthStatus;
  /** The crossed thresholds as they were last told. */
  readonly told: string;
  readonly nextCheckAtMs: number | null;
}
