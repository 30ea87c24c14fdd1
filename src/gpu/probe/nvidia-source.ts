/**
 * NVIDIA's cards as the probe child reports them: one long-running `nvidia-smi`, and what to do when it fails, hangs or
 * loses a card.
 */
import type { Clock } from "../../core/clock.ts";
import { minuteMs } from "../../core/units.ts";
import type { Holders } from "./nvidia-csv.ts";
import type { Listing } from "./nvidia-ticks.ts";
import { NvidiaTool } from "./nvidia-tool.ts";
import type { Card, CardSource, ProbeMessage, ProbeOptions, Trouble } from "./probe-protocol.ts";

export interface NvidiaSourceOptions extends ProbeOptions {
  readonly nvidiaSmi: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly say: (message: ProbeMessage) => void;
}

const holdersEveryMs = minuteMs / 2;
/** After so many loops that gave no row although a call answered, calls take the loop's place. */
const uselessLoopCount = 2;

/**
 * Keeps one `nvidia-smi` in its own loop, because a process a sample is dear and, without persistence mode, starts the driver
 * anew each time. A loop that falls silent for three periods is killed, and none is started before it is really gone.
 */
export class NvidiaSource implements CardSource {
  readonly #options: NvidiaSourceOptions;
  readonly #tool: NvidiaTool;
  readonly #known = new Set<string>();
  #slices: readonly Card[] = [];
  #holders: Holders | null = null;
  #holdersAtMs = Number.NEGATIVE_INFINITY;
  #silentLoopCount = 0;
  #tickCount = 0;
  #isFollowing = false;
  #looking: Promise<void> | null = null;

  constructor(options: NvidiaSourceOptions) {
    this.#options = options;
    this.#tool = new NvidiaTool({ ...options, onHung: (trouble) => this.#sayTrouble(trouble) });
  }

  async run(): Promise<{ readonly absent: string } | null> {
    const { clock, signal, backOffFirstMs, backOffLongestMs } = this.#options;
    let backOffMs = backOffFirstMs;
    while (!signal.aborted) {
      const ticksBefore = this.#tickCount;
      const trouble = await this.#live();
      if (signal.aborted) return null;
      const isNothingThere = trouble.kind === "toolMissing" || trouble.kind === "noDevices";
      if (this.#known.size === 0 && isNothingThere && trouble.isDecided) return { absent: trouble.reason };
      this.#sayTrouble(trouble);
      backOffMs = this.#tickCount > ticksBefore ? backOffFirstMs : backOffMs;
      await clock.sleep(backOffMs, signal);
      backOffMs = Math.min(backOffMs * 2, backOffLongestMs);
    }
    return null;
  }

  async look(): Promise<void> {
    if (!this.#isFollowing) return;
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null;
    });
    await this.#looking;
  }

  async #lookOnce(): Promise<void> {
    await this.#readHolders();
    const listing = await this.#tool.query();
    if (listing.kind === "cards") this.#sayCards(listing);
    else this.#sayTrouble(listing);
  }

  /** One life of the cards, from the first answer to the first failure. */
  async #live(): Promise<Trouble> {
    this.#tool.forgetFields();
    const listing = await this.#tool.query();
    if (listing.kind !== "cards") return listing;
    this.#slices = listing.cards.some(({ details }) => details.isMigEnabled === true)
      ? await this.#tool.listSlices()
      : [];
    this.#sayCards(listing);
    this.#isFollowing = true;
    try {
      return await (this.#silentLoopCount >= uselessLoopCount
        ? this.#callRepeatedly()
        : this.#follow(listing.cards.length));
    } finally {
      this.#isFollowing = false;
    }
  }

  async #follow(cardCount: number): Promise<Trouble> {
    const ticksBefore = this.#tickCount;
    const end = await this.#tool.follow(cardCount, (listing) => this.#tick(listing));
    const isSilent = this.#tickCount === ticksBefore && end.kind === "toolHung";
    this.#silentLoopCount = isSilent ? this.#silentLoopCount + 1 : 0;
    return end;
  }

  async #callRepeatedly(): Promise<Trouble> {
    for (;;) {
      await this.#options.clock.sleep(this.#options.everyMs, this.#options.signal);
      const listing = await this.#tool.query();
      if (listing.kind !== "cards") return listing;
      this.#tick(listing);
    }
  }

  #tick(listing: Listing): void {
    this.#tickCount += 1;
    this.#sayCards(listing);
  }

  async #readHolders(): Promise<void> {
    const { clock } = this.#options;
    if (clock.nowMs() - this.#holdersAtMs < holdersEveryMs) return;
    this.#holders = await this.#tool.listHolders();
    this.#holdersAtMs = clock.nowMs();
  }

  #sayCards({ cards, lost }: Listing): void {
    if (cards.length === 0) {
      this.#sayTrouble({ kind: "gpuLost", isDecided: true, reason: lost[0] ?? "no card answers", nvmlCode: 15 });
      return;
    }
    for (const card of cards) this.#known.add(card.uuid);
    const seen = new Set(cards.map(({ uuid }) => uuid));
    const missingCount = Math.max(lost.length, [...this.#known].filter((uuid) => !seen.has(uuid)).length);
    const holdersOf = (uuid: string) => (this.#holders === null ? null : [...(this.#holders.get(uuid) ?? [])]);
    const held = cards.map((card) => ({ ...card, details: { ...card.details, holders: holdersOf(card.uuid) } }));
    this.#options.say({ kind: "cards", gpuKind: "nvidia", cards: [...held, ...this.#slices], missingCount });
  }

  /** Cards that were there before are not absent now but lost, and so is a tool that is gone. */
  #sayTrouble(trouble: Trouble): void {
    const wasThere = this.#known.size > 0;
    const told: Trouble =
      wasThere && trouble.kind === "toolMissing"
        ? { kind: "toolVanished", isDecided: false, reason: "nvidia-smi is no longer there" }
        : wasThere && trouble.kind === "noDevices"
          ? { ...trouble, kind: "gpuLost", reason: `the cards are no longer listed: ${trouble.reason}` }
          : trouble;
    this.#options.say({ kind: "trouble", gpuKind: "nvidia", trouble: told });
  }
}
