/**
 * What the webhook dispatcher needs of a durable store. A delivery survives a crash, and may then be made twice; its
 * id tells the receiver.
 */
import type { WebhookDelivery } from "../webhook.ts";

export interface DueQuery {
  readonly limit: number;
  /** Deliveries that are under way already. */
  readonly exceptSeqs: readonly number[];
  /** Receivers that are busy with others; one that hangs must not keep the rest waiting. */
  readonly exceptOrigins: readonly string[];
}

export type TryOutcome =
  | { readonly kind: "delivered"; readonly status: number }
  | { readonly kind: "failed"; readonly status: number | null; readonly problem: string; readonly retryAtMs: number }
  | { readonly kind: "dead"; readonly status: number | null; readonly problem: string };

/** What webhooks still have to be told. Rows enter it in the transaction of the event that they tell of. */
export interface WebhookOutbox {
  /** Those whose time has come, longest due first. */
  listDue(query: DueQuery): Promise<readonly WebhookDelivery[]>;
  /** When the first one that is not excepted is due; null when none waits. */
  nextDueAtMs(query: Omit<DueQuery, "limit">): Promise<number | null>;
  /** Counts a try; one that is not pending any more stays as it is. */
  noteTry(seq: number, outcome: TryOutcome): Promise<void>;
  /** Oldest first. */
  listOf(jobId: string): Promise<readonly WebhookDelivery[]>;
}
