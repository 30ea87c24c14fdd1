/** How long a clip takes on a card: from this machine's own clips, else from somebody's measurement on the same card, else unknown. */

import type { ClipMeasurement, ModelEntry } from "../core/model-entry.ts";
import { stepSeconds, tokenCount } from "../core/model-figures.ts";
import { sizeText } from "../core/pixel-size.ts";
import type { LoadProfile } from "../core/words.ts";
import type { EnvelopePlace } from "./envelopes.ts";
import type { Clip, DeviceFacts } from "./placement.ts";
import { quantile } from "./step-history.ts";

/** Milliseconds for each step of whole clips, newest last, by card, memory mode, model and size. Plain data; every change makes a new one. */
export type ClipHistory = Readonly<Record<string, readonly number[]>>;

export const emptyClips: ClipHistory = {};

const keptClipCount = 32;
const keptSizeCount = 64;

const keyOf = (
  { deviceUuid, profile }: EnvelopePlace,
  model: ModelEntry,
  clip: Pick<Clip, "width" | "height" | "frames">,
): string => [deviceUuid, profile, model.id, tokenCount(model, clip)].join("|");

/** A clip was rendered from its first step to its last. */
export function noteClip(
  history: ClipHistory,
  place: EnvelopePlace,
  model: ModelEntry,
  clip: Clip,
  tookMs: number,
): ClipHistory {
  if (clip.steps < 1 || tookMs <= 0) return history;
  const key = keyOf(place, model, clip);
  const { [key]: known = [], ...others } = history;
  const kept = Object.entries(others).slice(-(keptSizeCount - 1));
  return { ...Object.fromEntries(kept), [key]: [...known, Math.round(tookMs / clip.steps)].slice(-keptClipCount) };
}

export type ClipTime =
  /** `history`: clips of this size on this card; `published`: somebody's measurement of just this; `estimated`: scaled from one. */
  | {
      readonly kind: "known";
      readonly ms: number;
      readonly source: "history" | "published" | "estimated";
      readonly basis: string;
    }
  | { readonly kind: "unknown"; readonly why: string };

/** A laptop's card has the same name and more words: it is another card. */
function isCard(name: string, card: string): boolean {
  const at = name.toLowerCase().indexOf(card.toLowerCase());
  const rest = name.slice(at + card.length);
  return at !== -1 && /^(?:$|\s|-)/.test(rest) && !/laptop|mobile|max-q|\bD\b/i.test(rest);
}

const sizeOf = (clip: Clip): string => `${sizeText(clip)} with ${clip.frames} frames in ${clip.steps} steps`;

/** Measured in `model-offload`, as its authors publish it. */
function fromMeasurement(model: ModelEntry, clip: Clip, profile: LoadProfile, measured: ClipMeasurement): ClipTime {
  const isSame =
    profile === "model-offload" &&
    measured.steps === clip.steps &&
    tokenCount(model, measured) === tokenCount(model, clip);
  const basis = `${measured.by}, ${sizeOf(measured)} on one ${measured.card}`;
  if (isSame) return { kind: "known", ms: measured.tookMs, source: "published", basis };
  const perStep = stepSeconds(model, clip, profile) / stepSeconds(model, measured, "model-offload");
  return { kind: "known", ms: (measured.tookMs * perStep * clip.steps) / measured.steps, source: "estimated", basis };
}

export interface ClipTimeQuestion {
  readonly device: DeviceFacts;
  readonly model: ModelEntry;
  readonly clip: Clip;
  readonly profile: LoadProfile;
}

export function clipTimeOf(history: ClipHistory, { device, model, clip, profile }: ClipTimeQuestion): ClipTime {
  if (device.kind === "unknown") return { kind: "unknown", why: device.why };
  const own = history[keyOf({ deviceUuid: device.uuid, profile }, model, clip)] ?? [];
  const perStepMs = quantile(own, 0.5);
  if (perStepMs !== null)
    return {
      kind: "known",
      ms: perStepMs * clip.steps,
      source: "history",
      basis: `${own.length} ${own.length === 1 ? "clip" : "clips"} of this size on this machine`,
    };
  if (device.kind === "processor")
    return { kind: "unknown", why: "no clip of this size was rendered on this processor yet" };
  if (device.isSimulated)
    return { kind: "unknown", why: "no clip of this size was rendered on this simulated card yet" };
  const tokens = tokenCount(model, clip);
  const nearest = model.measurements
    .filter(({ card }) => isCard(device.name, card))
    .map((measured) => ({ measured, distance: Math.abs(tokenCount(model, measured) - tokens) }))
    .sort((one, other) => one.distance - other.distance)[0];
  if (nearest === undefined)
    return {
      kind: "unknown",
      why: `nobody has said how long it takes on a ${device.name}, and this machine has rendered none yet`,
    };
  return fromMeasurement(model, clip, profile, nearest.measured);
}
