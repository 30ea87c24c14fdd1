/**
 * What a render needs of a card, and what finished and failed renders taught about it. Sizes that failed on a card that
 * nobody else used are avoided for a while; peaks that were measured replace the formula.
 */
import type { DeviceMemory } from "../core/fault.ts";
import type { RenderRequest } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { peakBytes, residentBytes, tokenCount } from "../core/model-figures.ts";
import { dayMs, gibibyte, minuteMs } from "../core/units.ts";
import type { LoadProfile, ModelId, Phase } from "../core/words.ts";

/** What a render asks of a card: pixels and frames decide the tokens, tokens and load profile decide the memory. */
export interface Envelope {
  readonly model: ModelEntry;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

/**
 * The envelope of a request, which names its model. Throws UnderstudyError CONFIGURATION_INVALID for a name that
 * nobody described.
 */
export const envelopeOf = (
  catalog: ModelCatalog,
  { model, width, height, frames }: Pick<RenderRequest, "model" | "width" | "height" | "frames">,
): Envelope => ({ model: catalog.entryOf(model), width, height, frames });

/** One card, one model, one memory mode. */
export interface EnvelopePlace {
  readonly deviceUuid: string;
  readonly profile: LoadProfile;
}

/** What is rendered again to prove that a size does not fit, or fits after all. */
export interface MisfitProof {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly phase: Phase;
}

interface Misfit {
  readonly deviceUuid: string;
  readonly profile: LoadProfile;
  readonly model: ModelId;
  readonly tokens: number;
  readonly untilMs: number;
  /** How long it was to hold when it was last confirmed. Older programs kept neither this nor the proof. */
  readonly lifeMs?: number;
  readonly proof?: MisfitProof;
}

interface Peak {
  readonly deviceUuid: string;
  readonly profile: LoadProfile;
  readonly model: ModelId;
  readonly tokens: number;
  /** The highest peak of the newest renders of this size. */
  readonly bytes: number;
  readonly renderCount: number;
}

/** What finished and failed renders taught about cards. Plain data; every change makes a new one. */
export interface EnvelopeTable {
  readonly misfits: readonly Misfit[];
  readonly peaks: readonly Peak[];
}

export const emptyEnvelopes: EnvelopeTable = { misfits: [], peaks: [] };

/** Drivers, libraries and models change: what was found once holds for so long, twice as long each time it is confirmed. */
export const misfitLifeMs = 10 * minuteMs;
const longestMisfitLifeMs = dayMs;
/** One that has expired is remembered for so long, so that what confirms it makes it hold longer. */
const rememberedMs = dayMs;
/** Renders of one size after which their peak is believed more than the formula. */
const believedRenderCount = 2;
const keptPeakCount = 256;
const keptMisfitCount = 256;
/** What the allocator and the driver need beside the model, as a share of the card. */
const headroomRatio = 0.03;

/** Whether a card of this size has room for such a peak. */
export const hasRoom = (totalBytes: number, peak: number): boolean => peak <= totalBytes * (1 - headroomRatio);

const tokensOf = (envelope: Envelope): number => tokenCount(envelope.model, envelope);

type Entry = Pick<Misfit, "deviceUuid" | "profile" | "model" | "tokens">;
const isAt = (entry: Entry, place: EnvelopePlace, { id }: ModelEntry): boolean =>
  entry.deviceUuid === place.deviceUuid && entry.profile === place.profile && entry.model === id;

/**
 * What the card's context and the driver take beside the model: 0.5 to 1.2 GiB were measured, whatever the card's size.
 */
const contextBytes = 1.5 * gibibyte;

/**
 * Whether nobody but the resident model has the card: as much can be had as the priors say is free then. What begins
 * otherwise and runs out of memory says something about a neighbour or a leak, and nothing about its size.
 */
export function isCardClean(
  { totalBytes, freeBytes, reservedBytes, allocatedBytes }: DeviceMemory,
  resident: { readonly model: ModelEntry; readonly profile: LoadProfile },
): boolean {
  const reachableBytes = freeBytes + Math.max(0, reservedBytes - allocatedBytes);
  const margin = Math.max(contextBytes, totalBytes * headroomRatio);
  return reachableBytes >= totalBytes - residentBytes(resident.model, resident.profile) - margin;
}

/**
 * A render of this size ran out of memory on a card of its own, and its phase did so again right after: neither it nor
 * a larger one is tried there until the entry expires. One that had expired before holds twice as long as it did.
 */
export function noteMisfit(
  table: EnvelopeTable,
  place: EnvelopePlace,
  envelope: Envelope,
  { nowMs, phase }: { readonly nowMs: number; readonly phase: Phase },
): EnvelopeTable {
  const tokens = tokensOf(envelope);
  const known = table.misfits.find((misfit) => isAt(misfit, place, envelope.model) && misfit.tokens === tokens);
  const knownLifeMs = known?.lifeMs ?? misfitLifeMs;
  const isConfirmed = known !== undefined && known.untilMs <= nowMs;
  const lifeMs = isConfirmed ? Math.min(2 * knownLifeMs, longestMisfitLifeMs) : knownLifeMs;
  const untilMs = nowMs + lifeMs;
  const { width, height, frames } = envelope;
  const isSaid = (misfit: Misfit): boolean =>
    isAt(misfit, place, envelope.model) &&
    (misfit.tokens === tokens || (misfit.tokens > tokens && misfit.untilMs <= untilMs));
  const kept = table.misfits.filter((misfit) => misfit.untilMs + rememberedMs > nowMs && !isSaid(misfit));
  const proof = { width, height, frames, phase };
  const misfit: Misfit = { ...place, model: envelope.model.id, tokens, untilMs, lifeMs, proof };
  return { ...table, misfits: [...kept, misfit].slice(-keptMisfitCount) };
}

/** A render of this size passed: what was said against it and smaller ones falls. */
export function noteFit(table: EnvelopeTable, place: EnvelopePlace, envelope: Envelope): EnvelopeTable {
  const tokens = tokensOf(envelope);
  return {
    ...table,
    misfits: table.misfits.filter((misfit) => !isAt(misfit, place, envelope.model) || misfit.tokens > tokens),
  };
}

/** A whole job was rendered, with this peak as its worker measured it. */
export function notePeak(table: EnvelopeTable, place: EnvelopePlace, envelope: Envelope, bytes: number): EnvelopeTable {
  if (bytes <= 0) return noteFit(table, place, envelope);
  const tokens = tokensOf(envelope);
  const isSame = (peak: Peak): boolean => isAt(peak, place, envelope.model) && peak.tokens === tokens;
  const known = table.peaks.find(isSame);
  // A lower peak counts slowly: the highest of the recent ones decides whether the next one fits.
  const believed = known === undefined ? bytes : Math.max(bytes, Math.round(known.bytes * 0.9 + bytes * 0.1));
  const peak: Peak = {
    ...place,
    model: envelope.model.id,
    tokens,
    bytes: believed,
    renderCount: (known?.renderCount ?? 0) + 1,
  };
  return noteFit(
    { ...table, peaks: [...table.peaks.filter((entry) => !isSame(entry)), peak].slice(-keptPeakCount) },
    place,
    envelope,
  );
}

export interface PeakPrediction {
  readonly bytes: number;
  /** `learned`: from renders of this size on this card; `formula`: from the model's published figures. */
  readonly source: "learned" | "formula";
  /** Renders behind a learned figure. */
  readonly renderCount: number;
  /** 0..1 */
  readonly confidence: number;
}

/** What a render of this size needs at its peak, in bytes. */
export function predictPeak(table: EnvelopeTable, place: EnvelopePlace, envelope: Envelope): PeakPrediction {
  const tokens = tokensOf(envelope);
  const known = table.peaks.find((peak) => isAt(peak, place, envelope.model) && peak.tokens === tokens);
  if (known !== undefined && known.renderCount >= believedRenderCount) {
    const confidence = known.renderCount / (known.renderCount + 1);
    return { bytes: known.bytes, source: "learned", renderCount: known.renderCount, confidence };
  }
  const renderCount = known?.renderCount ?? 0;
  return { bytes: peakBytes(envelope.model, envelope, place.profile), source: "formula", renderCount, confidence: 0.5 };
}

/** Whether a render of this size is worth trying on this card in this memory mode. */
export function fitsCard(
  table: EnvelopeTable,
  place: EnvelopePlace,
  envelope: Envelope,
  totalBytes: number,
  nowMs: number,
): boolean {
  const tokens = tokensOf(envelope);
  const isRefuted = table.misfits.some(
    (misfit) => misfit.untilMs > nowMs && isAt(misfit, place, envelope.model) && misfit.tokens <= tokens,
  );
  return !isRefuted && hasRoom(totalBytes, predictPeak(table, place, envelope).bytes);
}

/** When the first objection to this size on this card falls, in any memory mode; null when there is none. */
export function misfitEndsAtMs(
  table: EnvelopeTable,
  deviceUuid: string,
  envelope: Envelope,
  nowMs: number,
): number | null {
  const ends = table.misfits
    .filter(
      (misfit) =>
        misfit.untilMs > nowMs &&
        misfit.deviceUuid === deviceUuid &&
        misfit.model === envelope.model.id &&
        misfit.tokens <= tokensOf(envelope),
    )
    .map((misfit) => misfit.untilMs);
  return ends.length === 0 ? null : Math.min(...ends);
}

/**
 * What is known against sizes of this model in this place and can be proven again, the smallest first: what it shows
 * decides about the larger ones too.
 */
export const provableMisfits = (
  table: EnvelopeTable,
  place: EnvelopePlace,
  model: ModelId,
): readonly (Misfit & { readonly proof: MisfitProof })[] =>
  table.misfits
    .filter((misfit) => misfit.deviceUuid === place.deviceUuid && misfit.profile === place.profile)
    .flatMap(({ proof, ...misfit }) => (misfit.model === model && proof !== undefined ? [{ ...misfit, proof }] : []))
    .toSorted((one, other) => one.tokens - other.tokens);
