import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/ports/event-log.ts";
import {
  type Envelope,
  type EnvelopePlace,
  type EnvelopeTable,
  emptyEnvelopes,
  fitsCard,
  misfitEndsAtMs,
  noteFit,
  noteMisfit,
  notePeak,
  predictPeak,
} from "../recovery/envelopes.ts";
import {
  emptyHistory,
  expectedMs,
  limitsOf,
  noteStep,
  type Reached,
  type StepHistory,
  type StepLimits,
  type StepPlace,
} from "../recovery/step-history.ts";

const keys = { envelopes: "learned.envelopes", steps: "learned.steps" } as const;

/** How long steps take on this machine. */
export interface StepBook {
  note(place: StepPlace, tookMs: number): void;
  limitsOf(place: StepPlace): StepLimits;
  /** What is left of a render; null while too little is known. */
  expectedMs(reached: Reached): number | null;
}

/** Which sizes fit which card in which memory mode. */
export interface EnvelopeBook {
  fits(place: EnvelopePlace, envelope: Envelope, totalBytes: number): boolean;
  /** Predicted peak, in bytes. */
  peakOf(place: EnvelopePlace, envelope: Envelope): number;
  /** When what speaks against this size on this card falls; null when nothing does. */
  misfitEndsAtMs(deviceUuid: string, envelope: Envelope): number | null;
  noteMisfit(place: EnvelopePlace, envelope: Envelope): Promise<void>;
  noteFit(place: EnvelopePlace, envelope: Envelope): Promise<void>;
  /** A whole job was rendered; also keeps what its steps taught. */
  notePeak(place: EnvelopePlace, envelope: Envelope, bytes: number): Promise<void>;
}

export interface LearnedBooks {
  readonly envelopes: EnvelopeBook;
  readonly steps: StepBook;
}

/** Reads what earlier lives of this service learned. A table that cannot be read as one is begun anew. */
export async function openLearnedBooks({ facts }: Pick<Store, "facts">, clock: Clock): Promise<LearnedBooks> {
  let table = ((await facts.read(keys.envelopes)) as EnvelopeTable | null) ?? emptyEnvelopes;
  let history = ((await facts.read(keys.steps)) as StepHistory | null) ?? emptyHistory;
  const keep = async (next: EnvelopeTable): Promise<void> => {
    table = next;
    await facts.write(keys.envelopes, table);
  };
  return {
    envelopes: {
      fits: (place, envelope, totalBytes) => fitsCard(table, place, envelope, totalBytes, clock.nowMs()),
      peakOf: (place, envelope) => predictPeak(table, place, envelope).bytes,
      misfitEndsAtMs: (deviceUuid, envelope) => misfitEndsAtMs(table, deviceUuid, envelope, clock.nowMs()),
      noteMisfit: (place, envelope) => keep(noteMisfit(table, place, envelope, clock.nowMs())),
      noteFit: (place, envelope) => keep(noteFit(table, place, envelope)),
      notePeak: async (place, envelope, bytes) => {
        await keep(notePeak(table, place, envelope, bytes));
        await facts.write(keys.steps, history);
      },
    },
    steps: {
      note: (place, tookMs) => {
        history = noteStep(history, place, tookMs);
      },
      limitsOf: (place) => limitsOf(history, place),
      expectedMs: (reached) => expectedMs(history, reached),
    },
  };
}
