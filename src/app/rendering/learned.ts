/**
 * What this machine's own renders teach: which sizes fit in which memory mode, how long steps and whole clips take. It
 * is kept in the store, so that a restart does not learn by failing once more.
 */
import type { Clock } from "../../core/clock.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { LoadProfile, ModelId, Phase } from "../../core/words.ts";
import {
  type ClipHistory,
  type ClipTime,
  type ClipTimeQuestion,
  clipTimeOf,
  emptyClips,
  noteClip,
} from "../../recovery/clip-time.ts";
import {
  type Envelope,
  type EnvelopePlace,
  type EnvelopeTable,
  emptyEnvelopes,
  fitsCard,
  hasRoom,
  misfitEndsAtMs,
  noteFit,
  noteMisfit,
  notePeak,
  predictPeak,
  provableMisfits,
} from "../../recovery/envelopes.ts";
import {
  type Clip,
  findInstead,
  type MachineFacts,
  type ModelPlacement,
  placeModel,
} from "../../recovery/placement.ts";
import {
  emptyHistory,
  expectedMs,
  limitsOf,
  noteStep,
  type Reached,
  type StepHistory,
  type StepLimits,
  type StepPlace,
} from "../../recovery/step-history.ts";

const keys = { envelopes: "learned.envelopes", steps: "learned.steps", clips: "learned.clips" } as const;

/** How long steps take on this machine. */
export interface LearnedStepTimes {
  note(place: StepPlace, tookMs: number): void;
  limitsOf(place: StepPlace): StepLimits;
  /** What is left of a render; null while too little is known. */
  expectedMs(reached: Reached): number | null;
}

export interface MisfitAbout {
  /** Attempt and proof both began on a card of their own. */
  readonly isClean: boolean;
  readonly phase: Phase;
}

/** Which sizes fit which card in which memory mode. */
export interface LearnedMemory {
  fits(place: EnvelopePlace, envelope: Envelope, totalBytes: number): boolean;
  /** Predicted peak, in bytes. */
  peakOf(place: EnvelopePlace, envelope: Envelope): number;
  /** Every memory mode of a model, by what renders taught and the registry's figures; passing objections of a card do not count. */
  placeModel(machine: MachineFacts, model: ModelEntry, profiles: readonly LoadProfile[]): ModelPlacement;
  /** Another of these models that the machine carries. */
  findInstead(
    machine: MachineFacts,
    model: ModelEntry,
    models: readonly ModelEntry[],
    profiles: readonly LoadProfile[],
  ): ModelPlacement | null;
  /** Whether the registry's figures and what was measured let a card of this size carry it, whatever failed there of late. */
  carries(place: EnvelopePlace, envelope: Envelope, totalBytes: number): boolean;
  /** When the first thing that speaks against this size on this card falls; null when nothing does. */
  misfitEndsAtMs(deviceUuid: string, envelope: Envelope): number | null;
  /** What is known against sizes of a model in this place, and can be proven again, the smallest first. */
  provableMisfits(place: EnvelopePlace, model: ModelId): ReturnType<typeof provableMisfits>;
  /**
   * A phase of this size ran out of memory when it was run again right after its job. Nothing is learned where the attempt or
   * the proof began on a card that somebody else had a part of, or where nobody measured that.
   */
  noteMisfit(place: EnvelopePlace, envelope: Envelope, about: MisfitAbout): Promise<void>;
  noteFit(place: EnvelopePlace, envelope: Envelope): Promise<void>;
  /** Notes the peak of a whole job, and keeps what its steps taught. */
  notePeak(place: EnvelopePlace, envelope: Envelope, bytes: number): Promise<void>;
}

/** How long whole clips take. */
export interface LearnedClipTimes {
  /** Notes a clip that was rendered from its first step to its last; a resumed one would seem quicker than it is. */
  note(place: EnvelopePlace, model: ModelEntry, clip: Clip, tookMs: number): Promise<void>;
  timeOf(question: ClipTimeQuestion): ClipTime;
}

export interface Learned {
  readonly envelopes: LearnedMemory;
  readonly steps: LearnedStepTimes;
  readonly clips: LearnedClipTimes;
}

/** What a machine's renders taught, as of now; for those who only ask. */
export interface LearnedFacts {
  readonly envelopes: EnvelopeTable;
  readonly clips: ClipHistory;
}

/** @param read of the stored facts, which may be those of a stopped service */
export const learnedFactsOf = (read: (key: string) => unknown): LearnedFacts => ({
  envelopes: (read(keys.envelopes) as EnvelopeTable | null) ?? emptyEnvelopes,
  clips: (read(keys.clips) as ClipHistory | null) ?? emptyClips,
});

/** Reads what earlier lives of this service learned. A table that cannot be read as one is begun anew. */
export async function openLearned({ facts }: Pick<Store, "facts">, clock: Clock): Promise<Learned> {
  let table = ((await facts.read(keys.envelopes)) as EnvelopeTable | null) ?? emptyEnvelopes;
  let history = ((await facts.read(keys.steps)) as StepHistory | null) ?? emptyHistory;
  let clips = ((await facts.read(keys.clips)) as ClipHistory | null) ?? emptyClips;
  const keep = async (next: EnvelopeTable): Promise<void> => {
    table = next;
    await facts.write(keys.envelopes, table);
  };
  return {
    envelopes: {
      fits: (place, envelope, totalBytes) => fitsCard(table, place, envelope, totalBytes, clock.nowMs()),
      carries: (place, envelope, totalBytes) => hasRoom(totalBytes, predictPeak(table, place, envelope).bytes),
      peakOf: (place, envelope) => predictPeak(table, place, envelope).bytes,
      placeModel: (machine, model, profiles) => placeModel(machine, model, profiles, table),
      findInstead: (machine, model, models, profiles) => findInstead(machine, model, models, profiles, table),
      misfitEndsAtMs: (deviceUuid, envelope) => misfitEndsAtMs(table, deviceUuid, envelope, clock.nowMs()),
      provableMisfits: (place, model) => provableMisfits(table, place, model),
      noteMisfit: async (place, envelope, { isClean, phase }) => {
        if (isClean) await keep(noteMisfit(table, place, envelope, { nowMs: clock.nowMs(), phase }));
      },
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
    clips: {
      note: async (place, model, clip, tookMs) => {
        clips = noteClip(clips, place, model, clip, tookMs);
        await facts.write(keys.clips, clips);
      },
      timeOf: (question) => clipTimeOf(clips, question),
    },
  };
}
