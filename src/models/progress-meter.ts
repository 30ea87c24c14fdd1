/** Counts a pull's bytes and tells its rate and the time that is left, at most four times a second. */
import type { Clock, TimerHandle } from "../core/clock.ts";
import type { PullPhase, PullProgress } from "../core/ports/model-cache.ts";
import { secondMs } from "../core/units.ts";

/** The listener is told at most four times a second. */
const tellEveryMs = 250;
/** The rate is the average of the last five seconds. */
const windowMs = 5 * secondMs;

/** Counts what arrives and tells of it, also while nothing arrives: then the rate falls to 0. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #listener: (progress: PullProgress) => void;
  readonly #samples: { readonly atMs: number; readonly receivedBytes: number }[] = [];
  #timer: TimerHandle | undefined;
  #phase: PullPhase = "listing";
  #doneBytes = 0;
  #totalBytes = 0;
  #receivedBytes = 0;
  #doneFileCount = 0;
  #fileCount = 0;
  #trouble: string | null = null;
  #lastTold = "";

  constructor(clock: Clock, listener: (progress: PullProgress) => void) {
    this.#clock = clock;
    this.#listener = listener;
    this.#tick();
  }

  enter(phase: PullPhase): void {
    this.#phase = phase;
  }

  expect(total: { readonly bytes: number; readonly fileCount: number }): void {
    this.#totalBytes = total.bytes;
    this.#fileCount = total.fileCount;
  }

  /** Counts bytes that need not be fetched. */
  notePresent(bytes: number): void {
    this.#doneBytes += bytes;
  }

  /** Counts bytes that arrived; a negative number where a file begins anew. */
  noteReceived(deltaBytes: number): void {
    this.#doneBytes += deltaBytes;
    if (deltaBytes <= 0) return;
    this.#receivedBytes += deltaBytes;
    this.#trouble = null;
  }

  noteFiles(count: number): void {
    this.#doneFileCount += count;
  }

  noteTrouble(trouble: string): void {
    this.#trouble = trouble;
  }

  get progress(): PullProgress {
    const bytesPerSecond = this.#rate();
    const leftBytes = this.#totalBytes - this.#doneBytes;
    return {
      phase: this.#phase,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      bytesPerSecond,
      etaMs: bytesPerSecond > 0 ? Math.round((leftBytes / bytesPerSecond) * secondMs) : null,
      doneFileCount: this.#doneFileCount,
      fileCount: this.#fileCount,
      trouble: this.#trouble,
    };
  }

  /** Ends the meter; its last figures are told at once. */
  stop(): void {
    this.#clock.clearTimer(this.#timer);
    this.#tell();
  }

  #rate(): number {
    const [first] = this.#samples;
    if (first === undefined) return 0;
    const spanMs = this.#clock.nowMs() - first.atMs;
    return spanMs <= 0 ? 0 : Math.round(((this.#receivedBytes - first.receivedBytes) / spanMs) * secondMs);
  }

  #tick(): void {
    this.#tell();
    const nowMs = this.#clock.nowMs();
    this.#samples.push({ atMs: nowMs, receivedBytes: this.#receivedBytes });
    while ((this.#samples[0]?.atMs ?? nowMs) < nowMs - windowMs) this.#samples.shift();
    this.#timer = this.#clock.setTimer(() => this.#tick(), tellEveryMs);
  }

  #tell(): void {
    const { progress } = this;
    const text = JSON.stringify(progress);
    if (text === this.#lastTold) return;
    this.#lastTold = text;
    this.#listener(progress);
  }
}
