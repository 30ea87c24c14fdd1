/** What a service counts and logs of itself, beside its machines' transitions. */
import { messageOf, StoreError } from "../core/errors.ts";
import type { JobProgress } from "../core/job.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { ServerPorts } from "../server/server-ports.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics/metrics.ts";
import { logRows } from "../telemetry/row-log.ts";
import type { Files } from "./models/model-files.ts";

export interface CountNeeds {
  readonly store: Pick<Store, "events">;
  readonly progress: { onProgress(listener: (progress: JobProgress) => void): () => void };
  readonly metrics: Pick<Metrics, "rows" | "progress" | "pulled">;
  readonly logger: Logger;
  readonly models: Files;
}

export interface StopNeeds {
  readonly store: Pick<Store, "events">;
  readonly logger: Pick<Logger, "warn">;
}

export interface RequestNeeds {
  readonly metrics: Pick<Metrics, "answered">;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/** Counts and logs what is not a transition. Returns what ends it. */
export function countAndLog({ store, progress, metrics, logger, models }: CountNeeds): () => void {
  const ends = [
    store.events.subscribe((rows) => {
      metrics.rows(rows);
      logRows(logger, rows);
    }),
    progress.onProgress(metrics.progress),
    models?.cache.onProgress(metrics.pulled),
  ];
  return () => {
    for (const end of ends) end?.();
  };
}

/** What the server says of requests, beside answering them. */
export function requestLog({
  metrics,
  logger,
}: RequestNeeds): Pick<ServerPorts, "onAnswered" | "onOriginRefused" | "onDefect"> {
  return {
    onAnswered: ({ requestId, keyId, jobId, incidentId, ...answer }) => {
      metrics.answered(answer);
      const ids = Object.entries({ keyId, jobId, incidentId }).filter(([, id]) => id !== null);
      logger.info({ event: "request.answered", requestId, ...answer, ...Object.fromEntries(ids) });
    },
    onOriginRefused: (origin) =>
      logger.warn({ event: "origin.refused", origin, allowWith: `--allow-origin ${origin}` }),
    onDefect: (thrown, request) => {
      const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      logger.error({ event: "request.defect", ...request, message });
    },
  };
}

/** The last row of an orderly end; a store that cannot write does not hold the end up. */
export async function writeStop({ store, logger }: StopNeeds, doWorkersGoOn: boolean): Promise<void> {
  try {
    await store.events.append([{ kind: "service.stopped", data: { workers_go_on: doWorkersGoOn } }]);
  } catch (thrown) {
    if (!(thrown instanceof StoreError)) throw thrown;
    logger.warn({ event: "stop.notRecorded", message: messageOf(thrown) });
  }
}
