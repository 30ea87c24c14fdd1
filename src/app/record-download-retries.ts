/** Downloads that broke off and are tried again by themselves stand in the timeline, whoever began them. */
import { messageOf } from "../core/errors.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { Logger } from "../telemetry/logger.ts";
import { sanitiseText } from "./incidents/incident-evidence.ts";
import type { Files } from "./models/model-files.ts";

interface Needs {
  readonly models: Files;
  readonly store: { readonly events: Pick<Store["events"], "append"> };
  readonly logger: Pick<Logger, "error">;
}

/** A row that cannot be written is logged: it stops no download. */
export function recordDownloadRetries({ models, store, logger }: Needs): void {
  models?.cache.onRetry((model, { tryNumber, tryCount, atMs, code, message }) => {
    const data = {
      model,
      code,
      message: sanitiseText(message),
      try_number: tryNumber,
      try_count: tryCount,
      retry_at_ms: atMs,
    };
    store.events.append([{ kind: "model.downloadRetried", data }]).catch((thrown: unknown) => {
      logger.error({ event: "fact.notRecorded", fact: "model.downloadRetried", message: messageOf(thrown) });
    });
  });
}
