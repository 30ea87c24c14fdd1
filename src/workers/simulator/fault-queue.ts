/**
 * Keeps the faults that wait to be played and how often each has fired. The counts are saved with the job, or a fault
 * that kills the process would meet every attempt anew.
 */
import type { FaultCard } from "./fault-cards.ts";

/** The cards of one job: they come with its prompt, and their firings are counted with the job's checkpoint. */
export interface JobCards {
  readonly cards: readonly FaultCard[];
  readonly fired: Record<string, number>;
  /** Keeps the count before the fault plays, because the fault may end the process. */
  readonly save: () => void;
}

/** Cards that wait to be played: this process's own, and those of the job in hand. */
export class FaultQueue {
  readonly #armed: { readonly card: FaultCard; left: number }[] = [];

  constructor(cards: readonly FaultCard[]) {
    for (const card of cards) this.arm(card);
  }

  /** Each arming counts by itself, also of the same card. */
  arm(card: FaultCard): void {
    this.#armed.push({ card, left: card.count });
  }

  /** Takes the first armed card that matches. */
  take(matches: (card: FaultCard) => boolean): FaultCard | null {
    const found = this.#armed.find(({ card, left }) => left > 0 && matches(card));
    if (found === undefined) return null;
    found.left -= 1;
    return found.card;
  }

  /** Takes the job's first card that matches and has firings left. */
  takeOfJob(matches: (card: FaultCard) => boolean, { cards, fired, save }: JobCards): FaultCard | null {
    const card = cards.find((candidate) => (fired[candidate.text] ?? 0) < candidate.count && matches(candidate));
    if (card === undefined) return null;
    fired[card.text] = (fired[card.text] ?? 0) + 1;
    save();
    return card;
  }
}
