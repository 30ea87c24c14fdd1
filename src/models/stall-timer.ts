import type { Clock, TimerHandle } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";

/** Ends a request on which no byte arrives for `stallMs`; how long the whole takes does not matter. */
export class StallTimer {
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #giveUp = new AbortController();
  #handle: TimerHandle | undefined;

  constructor(clock: Clock, stallMs: number) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.noteBytes();
  }

  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  /** Something arrived: the wait begins anew. */
  noteBytes(): void {
    this.#clock.clearTimer(this.#handle);
    this.#handle = this.#clock.setTimer(() => {
      const sentence = `No byte arrived for ${this.#stallMs / 1_000} s.`;
      this.#giveUp.abort(new ModelError("NETWORK_UNREACHABLE", sentence, { retryable: true, details: { stallMs: this.#stallMs } }));
    }, this.#stallMs);
  }

  stop(): void {
    this.#clock.clearTimer(this.#handle);
  }
}
