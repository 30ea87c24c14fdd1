/**
 * What a render needs of a card, and what finished and failed renders taught about it. Sizes that failed are avoided
 * for a while; peaks that were measured replace the formula.
 */
import type { RenderRequest } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ModelEntry } from "../core/model-entry.ts";
import { peakBytes, tokenCount } from "../core/model-figures.ts";
import { minuteMs } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";

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

interface Misfit {
  readonly deviceUuid: string;
  readonly profile: LoadProfile;
  readonly model: ModelId;
  readonly tokens: number;
  readonly untilMs: number;
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

/** Memory that was short may be free again: neighbours leave, and a reload starts from a clean card. */
export const misfitLifeMs = 10 * minuteMs;
/** Renders of one size after which their peak is believed more than the formula. */
const believedRenderCount = 2;
const keptPeakCount = 256;
/** What the allocator and the driver need beside the model, as a share of the card. */
const headroomRatio = 0.03;

/** Whether a card of this size has room for such a peak. */
export const hasRoom = (totalBytes: number, peak: number): boolean => peak <= totalBytes * (1 - headroomRatio);

const tokensOf = (envelope: Envelope): number => tokenCount(envelope.model, envelope);

type Entry = Pick<Misfit, "deviceUuid" | "profile" | "model" | "tokens">;
const isAt = (entry: Entry, place: EnvelopePlace, { id }: ModelEntry): boolean =>
  entry.deviceUuid === place.deviceUuid && entry.profile === place.profile && entry.model === id;

/** A render of this size ran out of memory: neither it nor a larger one is tried there again until the entry expires. */
export function noteMisfit(
  table: EnvelopeTable,
  place: EnvelopePlace,
  envelope: Envelope,
  nowMs: number,
): EnvelopeTable {
  const tokens = tokensOf(envelope);
  const kept = table.misfits.filter(
    (misfit) => misfit.untilMs > nowMs && !(isAt(misfit, place, envelope.model) && misfit.tokens >= tokens),
  );
  return {
    ...table,
    misfits: [...kept, { ...place, model: envelope.model.id, tokens, untilMs: nowMs + misfitLifeMs }],
  };
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

/** When the oldest objection to this size on this card falls; null when there is none. */
export function misfitEndsAtMs(
  table: EnvelopeTable,
  deviceUuid: string,
  envelope: Envelope,
  nowMs: number,
): number | null {
  const ends = table.misfits
    .filter(
      (misfit) => misfit.untilMs > nowMs && misfit.deviceUuid === deviceUuid && misfit.model === envelope.model.id,
    )
    .map((misfit) => misfit.untilMs);
  return ends.length === 0 ? null : Math.min(...ends);
}
