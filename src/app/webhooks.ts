/** Binds the webhook dispatcher to this service: its settings as they are now, and the timeline that wakes it. */
import type { Config } from "../config/schema.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { isRowOf } from "../core/events.ts";
import type { Store } from "../core/ports/event-log.ts";
import type { WebhookSender } from "../core/ports/webhook-sender.ts";
import { toldKinds } from "../core/webhook.ts";
import { WebhookDispatcher } from "../jobs/webhook-dispatcher.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface WebhookNeeds {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly store: Pick<Store, "webhooks" | "events">;
  readonly webhooks: WebhookSender;
  readonly config: Pick<Config, "webhook">;
  readonly logger: Pick<Logger, "warn">;
}

/** Deliveries by the settings that are in force, awake as soon as a row may have brought one. */
export function createWebhooks({ clock, chance, store, webhooks, config, logger }: WebhookNeeds): WebhookDispatcher {
  const dispatcher = new WebhookDispatcher(
    { outbox: store.webhooks, sender: webhooks, clock, chance },
    {
      get tryCount() {
        return config.webhook.tryCount;
      },
      get retryFirstMs() {
        return config.webhook.retryFirstMs;
      },
      get retryLongestMs() {
        return config.webhook.retryLongestMs;
      },
      onProblem: (message) => logger.warn({ event: "webhook.notNoted", message }),
    },
  );
  store.events.subscribe((rows) => {
    if (rows.some((row) => isRowOf(row, ...toldKinds))) dispatcher.wake();
  });
  return dispatcher;
}
