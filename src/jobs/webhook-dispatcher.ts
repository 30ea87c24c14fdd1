/** Delivers webhooks from the durable outbox. A receiver that hangs or refuses holds up its own deliveries alone. */
import { toWebhookBody } from "../contract/webhook-wire.ts";
import { type Chance, jitter } from "../core/chance.ts";
import type { Clock, TimerHandle } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { DueQuery, TryOutcome, WebhookOutbox } from "../core/ports/webhook-outbox.ts";
import type { SendOutcome, WebhookSender } from "../core/ports/webhook-sender.ts";
import { deliveryIdOf, type WebhookDelivery } from "../core/webhook.ts";

export interface WebhookDispatcherPorts {
  readonly outbox: WebhookOutbox;
  readonly sender: Pick<WebhookSender, "send">;
  readonly clock: Clock;
  readonly chance: Chance;
}

export interface WebhookDispatcherOptions {
  /** After so many tries without success a delivery is given up. */
  readonly tryCount: number;
  /** The first wait between two tries; each further one is twice as long. */
  readonly retryFirstMs: number;
  readonly retryLongestMs: number;
  readonly onProblem: (message: string) => void;
}

const inHandLimit = 8;
/** A receiver that hangs holds two of the eight at most. */
const perOriginLimit = 2;
const storeRetryMs = 30_000;
const jitterRatio = 0.2;

function problemOf(outcome: SendOutcome): string {
  if (outcome.kind !== "answered") return outcome.problem;
  const isRedirect = outcome.status >= 300 && outcome.status < 400;
  return `The receiver answered ${outcome.status}${isRedirect ? "; redirects are not followed" : ""}.`;
}

/**
 * Tells webhooks what the outbox holds: at least once each, several at a time, with growing waits between the tries of one.
 * What was under way when the service ended is sent again, under the same id.
 */
export class WebhookDispatcher {
  readonly #ports: WebhookDispatcherPorts;
  readonly #options: WebhookDispatcherOptions;
  readonly #inHand = new Map<number, { readonly origin: string; readonly ended: Promise<void> }>();
  readonly #stopping = new AbortController();
  #looking: Promise<void> | undefined;
  #isAskedAgain = false;
  #timer: TimerHandle | undefined;

  constructor(ports: WebhookDispatcherPorts, options: WebhookDispatcherOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Callers wake it when an event may have filled the outbox, and at the start. */
  wake(): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#looking !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    this.#looking = this.#look()
      .catch((thrown: unknown) => {
        this.#options.onProblem(messageOf(thrown));
        this.#arm(storeRetryMs);
      })
      .finally(() => {
        this.#looking = undefined;
        if (!this.#isAskedAgain) return;
        this.#isAskedAgain = false;
        this.wake();
      });
  }

  /** Breaks off what is under way; the next start sends it again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ports.clock.clearTimer(this.#timer);
    await this.#looking;
    await Promise.all([...this.#inHand.values()].map(({ ended }) => ended));
  }

  #arm(delayMs: number): void {
    this.#ports.clock.clearTimer(this.#timer);
    if (!this.#stopping.signal.aborted) this.#timer = this.#ports.clock.setTimer(() => this.wake(), delayMs);
  }

  #busyOrigins(): string[] {
    const counts = Map.groupBy(this.#inHand.values(), ({ origin }) => origin);
    return [...counts].filter(([, held]) => held.length >= perOriginLimit).map(([origin]) => origin);
  }

  #except(): Omit<DueQuery, "limit"> {
    return { exceptSeqs: [...this.#inHand.keys()], exceptOrigins: this.#busyOrigins() };
  }

  async #look(): Promise<void> {
    while (!this.#stopping.signal.aborted && this.#inHand.size < inHandLimit) {
      const due = await this.#ports.outbox.listDue({ limit: inHandLimit - this.#inHand.size, ...this.#except() });
      if (due.length === 0) break;
      for (const delivery of due) if (!this.#busyOrigins().includes(delivery.origin)) this.#begin(delivery);
    }
    if (this.#inHand.size >= inHandLimit) return;
    const nextAtMs = await this.#ports.outbox.nextDueAtMs(this.#except());
    if (nextAtMs !== null) this.#arm(Math.max(0, nextAtMs - this.#ports.clock.nowMs()));
  }

  #begin(delivery: WebhookDelivery): void {
    if (this.#stopping.signal.aborted) return;
    const ended = this.#deliver(delivery)
      .catch((thrown: unknown) => this.#holdBack(thrown))
      .finally(() => {
        this.#inHand.delete(delivery.seq);
        this.wake();
      });
    this.#inHand.set(delivery.seq, { origin: delivery.origin, ended });
  }

  /**
   * The delivery is still due: without a wait it would be sent again and again while the store cannot note that it was.
   */
  async #holdBack(thrown: unknown): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    this.#options.onProblem(messageOf(thrown));
    await this.#ports.clock.sleep(storeRetryMs, signal).catch((reason: unknown) => {
      if (!signal.aborted) throw reason;
    });
  }

  async #deliver(delivery: WebhookDelivery): Promise<void> {
    const message = { id: deliveryIdOf(delivery), url: delivery.url, body: JSON.stringify(toWebhookBody(delivery)) };
    const outcome = await this.#ports.sender.send(message, this.#stopping.signal);
    await this.#ports.outbox.noteTry(delivery.seq, this.#judge(delivery, outcome));
  }

  #judge({ tryCount }: WebhookDelivery, outcome: SendOutcome): TryOutcome {
    const status = outcome.kind === "answered" ? outcome.status : null;
    if (status !== null && status >= 200 && status < 300) return { kind: "delivered", status };
    const problem = problemOf(outcome);
    if (outcome.kind === "refused" || tryCount + 1 >= this.#options.tryCount) return { kind: "dead", status, problem };
    const { retryFirstMs, retryLongestMs } = this.#options;
    const waitMs = jitter(this.#ports.chance, Math.min(retryFirstMs * 2 ** tryCount, retryLongestMs), jitterRatio);
    return { kind: "failed", status, problem, retryAtMs: Math.ceil(this.#ports.clock.nowMs() + waitMs) };
  }
}
