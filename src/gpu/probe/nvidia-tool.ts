/**
 * Calls `nvidia-smi`, once or in its own loop. After a hang nothing is started until the killed process is really gone,
 * because a driver that hangs would collect one more stuck process a second.
 */
import type { Clock } from "../../core/clock.ts";
import { type Holders, readHolders, readSlices } from "./nvidia-csv.ts";
import { type ChosenFields, firstChoice, refusedField, withoutField } from "./nvidia-fields.ts";
import { createTicks, type Listing, readListing } from "./nvidia-ticks.ts";
import { toolHung, troubleOf } from "./nvidia-trouble.ts";
import type { Card, Trouble } from "./probe-protocol.ts";
import { callTool, startTool, type ToolAnswer } from "./tool-call.ts";

export interface NvidiaToolOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly nvidiaSmi: string;
  readonly everyMs: number;
  readonly answerWithinMs: number;
  /** A hang is told at once: the kernel may keep the killed process for long, and nothing else is started until it is gone. */
  readonly onHung: (trouble: Trouble) => void;
}

const format = "--format=csv,noheader,nounits";
/** Every driver of the last ten years knows these. */
const coreNames: ReadonlySet<string | null> = new Set([
  "uuid",
  "memory.total",
  "memory.used",
  "utilization.gpu",
  "temperature.gpu",
  "name",
]);
const coreFields: ChosenFields = firstChoice.map((name) => (coreNames.has(name) ? name : null));

/** One unknown field fails the whole call, so what was refused is left out, by its older name first. */
function narrower(chosen: ChosenFields, output: string): ChosenFields | null {
  const refused = refusedField(output);
  if (refused !== null) return withoutField(chosen, refused);
  return chosen === coreFields ? null : coreFields;
}

/** Asks `nvidia-smi` for the fields that this driver knows. */
export class NvidiaTool {
  #chosen = firstChoice;
  readonly #options: NvidiaToolOptions;

  constructor(options: NvidiaToolOptions) {
    this.#options = options;
  }

  /** Fields are asked anew, because the driver may be another one now. */
  forgetFields(): void {
    this.#chosen = firstChoice;
  }

  async query(): Promise<Listing | Trouble> {
    for (;;) {
      const answer = await this.#ask(this.#queryArgs());
      if (answer.kind !== "done") return troubleOf(answer);
      const listing = readListing(this.#chosen, answer.output.split("\n"));
      if (answer.code === 0 && listing.cards.length + listing.lost.length > 0) return listing;
      const next = answer.code === 2 ? narrower(this.#chosen, answer.output) : null;
      if (next === null) return troubleOf(answer);
      this.#chosen = next;
    }
  }

  /** Follows the tool's own loop until it ends or falls silent; a silent one is killed, and waited for. */
  async follow(cardCount: number, onTick: (listing: Listing) => void): Promise<Trouble> {
    const { clock, signal, nvidiaSmi, everyMs, answerWithinMs, onHung } = this.#options;
    const loop = startTool(nvidiaSmi, [...this.#queryArgs(), "-lms", String(Math.round(everyMs))]);
    const hung = Promise.withResolvers<number>();
    const watch = (limitMs: number) => clock.setTimer(() => hung.resolve(limitMs), limitMs);
    let timer = watch(Math.max(3 * everyMs, answerWithinMs));
    const ticks = createTicks(this.#chosen, cardCount, (listing) => {
      clock.clearTimer(timer);
      timer = watch(3 * everyMs);
      onTick(listing);
    });
    loop.onLine(ticks);
    signal.addEventListener("abort", loop.kill, { once: true });
    const end = await Promise.race([loop.ended.then(troubleOf), hung.promise.then(toolHung)]);
    clock.clearTimer(timer);
    if (end.kind === "toolHung") {
      onHung(end);
      loop.kill();
      await loop.ended;
    }
    signal.removeEventListener("abort", loop.kill);
    return end;
  }

  async listSlices(): Promise<readonly Card[]> {
    const answer = await this.#ask(["-L"]);
    return answer.kind === "done" ? readSlices(answer.output) : [];
  }

  /** Null when the tool would not say. */
  async listHolders(): Promise<Holders | null> {
    const answer = await this.#ask(["--query-compute-apps=gpu_uuid,pid,used_gpu_memory", format]);
    return answer.kind === "done" && answer.code === 0 ? readHolders(answer.output) : null;
  }

  async #ask(args: readonly string[]): Promise<ToolAnswer> {
    const { clock, nvidiaSmi, answerWithinMs, signal, onHung } = this.#options;
    const answer = await callTool(clock, nvidiaSmi, args, answerWithinMs, signal);
    if (answer.kind === "hung") {
      onHung(troubleOf(answer));
      await answer.gone;
    }
    return answer;
  }

  #queryArgs(): readonly string[] {
    return [`--query-gpu=${this.#chosen.filter((name) => name !== null).join(",")}`, format];
  }
}
