/**
 * What deliveries need of the network. Addresses come from users, so the sender decides which of them it calls at all.
 */

export interface WebhookMessage {
  /** The same for every try of one delivery. */
  readonly id: string;
  readonly url: string;
  /** JSON. */
  readonly body: string;
}

export type SendOutcome =
  | { readonly kind: "answered"; readonly status: number }
  /** Its address is one that this service does not call; another try would be refused as well. */
  | { readonly kind: "refused"; readonly problem: string }
  | { readonly kind: "unanswered"; readonly problem: string };

/** Calls other people's addresses, and only those that it may. Problems are sentences that hold no path and no query. */
export interface WebhookSender {
  /** Why this address is never called, as far as that shows without looking its name up; null when it may be. */
  problemOf(url: string): string | null;
  /** Signs and sends once. Rejects with the signal's reason alone. */
  send(message: WebhookMessage, signal: AbortSignal): Promise<SendOutcome>;
}
