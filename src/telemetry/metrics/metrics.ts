/**
 * Everything that the service counts and measures, in the text format of Prometheus. Figures of now are read when
 * somebody asks.
 */
import { Registry } from "prom-client";
import type { EventRow } from "../../core/events.ts";
import type { Mode } from "../../core/words.ts";
import { createDeviceMetrics, type DeviceMetrics } from "./device-metrics.ts";
import { createFamilies } from "./families.ts";
import { createJobMetrics, type JobMetrics, type QueueFigures } from "./job-metrics.ts";
import { createMachineMetrics, type MachineMetrics } from "./machine-metrics.ts";
import { createRecoveryMetrics, type RecoveryMetrics } from "./recovery-metrics.ts";
import { createServiceMetrics, type ServiceMetrics } from "./service-metrics.ts";
import { createWorkerMetrics, type WorkerFigures } from "./worker-metrics.ts";

/** How things stand at this moment. */
export interface Figures {
  readonly mode: Mode;
  readonly openIncidentCount: number;
  readonly queue: QueueFigures;
  readonly workers: readonly WorkerFigures[];
  readonly passedDrills: readonly { readonly drill: string; readonly atMs: number }[];
}

export interface Metrics {
  /** Takes rows of the event log, after they are written. */
  rows(rows: readonly EventRow[]): void;
  readonly progress: JobMetrics["progress"];
  readonly transition: MachineMetrics["transition"];
  readonly sample: DeviceMetrics["sample"];
  readonly factLost: RecoveryMetrics["factLost"];
  readonly answered: ServiceMetrics["answered"];
  readonly pulled: ServiceMetrics["pulled"];
  /** The text of a scrape. */
  render(figures: Figures, listenerCount: number): Promise<string>;
}

export interface MetricsAbout {
  readonly version: string;
  readonly startedAtMs: number;
  readonly workerIds: readonly string[];
  /** The models that the workers may load. */
  readonly models: readonly string[];
}

export function createMetrics(about: MetricsAbout): Metrics {
  const registry = new Registry();
  const families = createFamilies(registry);
  const jobs = createJobMetrics(families, about.models);
  const recovery = createRecoveryMetrics(families);
  const machines = createMachineMetrics(families, about.workerIds);
  const workers = createWorkerMetrics(families, about.workerIds);
  const devices = createDeviceMetrics(families);
  const service = createServiceMetrics(families, about);
  return {
    rows: (rows) => {
      for (const row of rows) {
        if (row.kind === "machine.transitioned") continue;
        jobs.row(row);
        recovery.row(row);
        workers.row(row);
      }
    },
    progress: jobs.progress,
    transition: machines.transition,
    sample: devices.sample,
    factLost: recovery.factLost,
    answered: service.answered,
    pulled: service.pulled,
    render: async ({ mode, openIncidentCount, queue, workers: figures, passedDrills }, listenerCount) => {
      machines.mode(mode);
      workers.workers(figures);
      recovery.openIncidents(openIncidentCount);
      recovery.drills(passedDrills);
      jobs.queue(queue);
      service.process(listenerCount);
      return registry.metrics();
    },
  };
}
