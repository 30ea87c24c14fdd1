/**
 * One source for all streams: facts, samples, progress and downloads become frames here once, however many clients
 * listen.
 */

import type { DownloadView } from "../../contract/model-views.ts";
import type { Clock } from "../../core/clock.ts";
import type { JobProgress } from "../../core/job.ts";
import type { MachineStep } from "../../core/ports/machine-feed.ts";
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import type { SupervisorFact } from "../../machines/supervisor-types.ts";
import type { ServiceStatus, StreamFrame, StreamPort } from "../../server/server-ports.ts";
import { createSentenceFeed } from "./sentence-feed.ts";
import { attemptViewOf } from "./service-status.ts";

type Subscribe<Told> = (listener: (told: Told) => void) => unknown;

/** Everything that a stream tells beside the rows of the timeline. */
export interface StreamSources {
  readonly onFact: Subscribe<SupervisorFact>;
  readonly onDownload: Subscribe<DownloadView>;
  readonly onSample: Subscribe<Sample>;
  readonly onProgress: Subscribe<JobProgress>;
  /** Answers with the function that stops listening. */
  readonly onStep: (listener: (step: MachineStep) => void) => () => void;
  /** Somebody waits who did not, or waits no more. */
  readonly onQueue: (listener: () => void) => unknown;
  readonly clock: Pick<Clock, "setTimer" | "clearTimer">;
  readonly status: () => Pick<ServiceStatus, "mode" | "sentence" | "health">;
}

/** What a fact looks like to those who listen; null when it is a row of the timeline and nothing else. */
function frameOf(fact: SupervisorFact, status: StreamSources["status"]): StreamFrame | null {
  if (fact.type === "mode.changed") return { kind: "mode", mode: fact.to, sentence: status().sentence };
  if (fact.type === "health.checked" || fact.type === "health.changed") {
    const { health } = status();
    return health === null ? null : { kind: "health", health };
  }
  if (fact.type !== "rung.ended" || fact.result.outcome === "skipped") return null;
  const { failureType, workerId, id: incidentId, climb, result } = fact;
  return { kind: "recoveryAttempt", attempt: attemptViewOf({ failureType, workerId, incidentId, climb, result }) };
}

export function createStreams(sources: StreamSources): StreamPort {
  const { onFact, onDownload, onSample, onProgress, onStep, onQueue, clock, status } = sources;
  const listeners = new Set<(frame: StreamFrame) => void>();
  const publish = (frame: StreamFrame): void => {
    for (const listener of listeners) listener(frame);
  };
  onDownload((download) => publish({ kind: "download", download }));
  onSample((sample) => publish({ kind: "sample", sample }));
  onProgress((progress) => publish({ kind: "progress", progress }));
  const sentences = createSentenceFeed(clock, status, (said) => publish({ kind: "sentence", ...said }));
  onQueue(() => {
    if (listeners.size > 0) sentences.queueChanged();
  });
  onFact((fact) => {
    const frame = frameOf(fact, status);
    if (frame?.kind === "mode") sentences.note(frame);
    if (frame !== null) publish(frame);
  });
  /** Steps are told only while somebody listens. */
  let leave: (() => void) | undefined;
  return {
    subscribe: (listener) => {
      leave ??= onStep((step) => publish({ kind: "step", step }));
      listeners.add(listener);
      sentences.note(null);
      return () => {
        if (!listeners.delete(listener) || listeners.size > 0) return;
        sentences.stop();
        leave?.();
        leave = undefined;
      };
    },
  };
}
