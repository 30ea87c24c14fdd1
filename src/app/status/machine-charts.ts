/**
 * The charts that the API and the page show. They are made of the machines that run, so a picture cannot differ from
 * the behaviour.
 */
import type { Chart } from "../../core/ports/machine-feed.ts";
import { circuitBreakerMachine } from "../../machines/circuit-breaker.machine.ts";
import { healthMonitorMachine } from "../../machines/health-monitor.machine.ts";
import { modelLoaderMachine } from "../../machines/model-loader.machine.ts";
import { pipelineMachine } from "../../machines/pipeline.machine.ts";
import { recoveryMachine } from "../../machines/recovery.machine.ts";
import { supervisorMachine } from "../../machines/supervisor.machine.ts";
import { workerMachine } from "../../machines/worker.machine.ts";
import { chartOf } from "../../telemetry/chart.ts";

/** What each machine is: the same for every service, so it is made once. */
export const machineCharts: readonly Chart[] = [
  chartOf("circuit-breaker", circuitBreakerMachine),
  chartOf("health-monitor", healthMonitorMachine),
  chartOf("model-loader", modelLoaderMachine),
  chartOf("pipeline", pipelineMachine),
  chartOf("recovery", recoveryMachine),
  chartOf("supervisor", supervisorMachine),
  chartOf("worker", workerMachine),
];
