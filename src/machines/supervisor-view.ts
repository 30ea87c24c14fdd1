/**
 * What those outside may read of the running machines, and the handle by which they ask for something. Nobody but this file
 * looks into a child: what it tells is typed by the child's own machine.
 */
import type { Actor, SnapshotFrom } from "xstate";
import type { HealthReport } from "./health-monitor-types.ts";
import { healthReportOf } from "./health-report.ts";
import type { ModelLoaderContext } from "./model-loader-types.ts";
import type { supervisorMachine } from "./supervisor.machine.ts";
import { childIds, isRunning } from "./supervisor-children.ts";
import type { workerMachine } from "./worker.machine.ts";

/** The running parent actor; it alone is sent to, and routes what is meant for its children. */
export type Supervisor = Actor<typeof supervisorMachine>;
export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;

export interface WorkerStanding {
  readonly value: SnapshotFrom<typeof workerMachine>["value"];
  readonly tags: readonly string[];
}

/** Where a worker's machine stands; null while it is down. */
export function workerStandingOf({ children }: SupervisorSnapshot, workerId: string): WorkerStanding | null {
  const worker = children[childIds.worker(workerId)]?.getSnapshot();
  return worker === undefined ? null : { value: worker.value, tags: [...worker.tags] };
}

/** It may still take up the process that an earlier supervisor left. */
export const isAdopting = ({ children }: SupervisorSnapshot, workerId: string): boolean =>
  children[childIds.worker(workerId)]?.getSnapshot().matches("adopting") ?? false;

/** Which model a worker holds, proven, and in which memory mode; null while it holds none. */
export function modelHeldBy({ children }: SupervisorSnapshot, workerId: string): ModelLoaderContext["wanted"] | null {
  const loader = children[childIds.loader(workerId)]?.getSnapshot();
  return loader?.hasTag("servable") === true ? loader.context.wanted : null;
}

/** Its pipeline has let the worker alone, as it was asked to: no job is in hand, and none begins. */
export const isLetAlone = ({ children }: SupervisorSnapshot, workerId: string): boolean =>
  children[childIds.pipeline(workerId)]?.getSnapshot().matches("suspended") ?? false;

/** What is known about health; null while no monitor is there. */
export function healthOf({ children }: SupervisorSnapshot): HealthReport | null {
  const monitor = children[childIds.health]?.getSnapshot();
  return monitor === undefined ? null : healthReportOf(monitor.context);
}

export const isHealthMonitored = (supervisor: SupervisorSnapshot): boolean => isRunning(supervisor, childIds.health);
