/** Tells a slow download from a dead one: a request may take hours, but not long without a byte. */
import type { Clock, TimerHandle } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";

/** Ends a request on which no byte arrives for `stallMs`; how long the whole takes does not matter. */
export class StallTimer {
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #what: string;
  readonly #giveUp = new AbortController();
  #handle: TimerHandle | undefined;

  /** @param what is awaited, for the sentence */
  constructor(clock: Clock, stallMs: number, what: string) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#what = what;
    this.noteBytes();
  }

  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  /** Notes that something arrived, so that the wait begins anew. */
  noteBytes(): void {
    this.#clock.clearTimer(this.#handle);
    this.#handle = this.#clock.setTimer(() => {
      const sentence = `No byte of ${this.#what} arrived for ${this.#stallMs / 1_000} s.`;
      this.#giveUp.abort(
        new ModelError("NETWORK_UNREACHABLE", sentence, { retryable: true, details: { stallMs: this.#stallMs } }),
      );
    }, this.#stallMs);
  }

  stop(): void {
    this.#clock.clearTimer(this.#handle);
  }
}
