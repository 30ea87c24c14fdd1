/** Keeps several workers from loading at once on a host that has no memory for it. */

export interface LoadGateOptions {
  /** Measures the free memory of the host, or of the control group around it; null when nobody can say. */
  readonly measureFreeBytes: () => Promise<number | null>;
}

/**
 * Staggers loads by the host's memory: weights pass through it on their way to a card, and several workers that load at once
 * would drive it into swap or the kernel's out-of-memory killer. The first load always begins; another one begins beside it
 * only if both fit into what is free, else when an earlier one has ended.
 */
export class LoadGate {
  readonly #held = new Set<{ readonly needBytes: number }>();
  readonly #waiting: (() => void)[] = [];
  readonly #measureFreeBytes: LoadGateOptions["measureFreeBytes"];

  constructor({ measureFreeBytes }: LoadGateOptions) {
    this.#measureFreeBytes = measureFreeBytes;
  }

  /** Resolves, when the load may begin, with what ends its hold. Rejects with the signal's reason. */
  async enter(needBytes: number, signal: AbortSignal): Promise<() => void> {
    const hold = { needBytes };
    // The hold is entered before memory is measured: of two loads that come in the same turn one sees the other.
    while (!(await this.#mayBegin(hold))) await this.#nextEnd(signal);
    if (signal.aborted) this.#leave(hold);
    signal.throwIfAborted();
    return () => this.#leave(hold);
  }

  async #mayBegin(hold: { readonly needBytes: number }): Promise<boolean> {
    const others = [...this.#held].reduce((sum, { needBytes }) => sum + needBytes, 0);
    const isAlone = others === 0 || hold.needBytes === 0;
    this.#held.add(hold);
    if (isAlone) return true;
    const freeBytes = await this.#measureFreeBytes();
    if (freeBytes !== null && freeBytes >= others + hold.needBytes) return true;
    this.#held.delete(hold);
    return [...this.#held].every(({ needBytes }) => needBytes === 0) && this.#mayBegin(hold);
  }

  #nextEnd(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  #leave(hold: { readonly needBytes: number }): void {
    if (!this.#held.delete(hold)) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
