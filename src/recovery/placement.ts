/** Does this machine carry a model, and in which memory mode? One table, before a byte is fetched and before anything is loaded. */
import type { ModelEntry } from "../core/model-entry.ts";
import { canaryRequest, needsImage, tokenCount } from "../core/model-figures.ts";
import { gibibyte } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import { type Envelope, type EnvelopeTable, hasRoom, predictPeak } from "./envelopes.ts";

/** Where renders are computed. `processor`: there is no card, and the host's memory is what they use. */
export type DeviceFacts =
  | {
      readonly kind: "card";
      readonly uuid: string;
      readonly name: string;
      readonly totalBytes: number | null;
      readonly isSimulated: boolean;
    }
  | { readonly kind: "processor"; readonly uuid: string }
  | { readonly kind: "unknown"; readonly why: string };

export interface MachineFacts {
  readonly device: DeviceFacts;
  /** Memory of the host, or of its control group; null = not measured, infinite where it does not count (a simulated worker). */
  readonly hostBytes: number | null;
}

export type FitVerdict = "fits" | "tooLarge" | "unknown";

/** One memory mode of one model for clips of one size. */
export interface PlacementRow {
  readonly profile: LoadProfile;
  /** What the card must have at the peak; 0 on the processor. */
  readonly deviceBytes: number;
  /** The weights that wait there, or pass through while they are read. */
  readonly hostBytes: number;
  /** `learned`: from renders on this card; `formula`: from the registry's figures. */
  readonly source: "learned" | "formula";
  readonly verdict: FitVerdict;
  readonly shortOf: "device" | "host" | null;
}

export interface Clip {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
}

export interface ClipPlacement {
  readonly clip: Clip;
  readonly rows: readonly PlacementRow[];
  /** The first memory mode, in the order in which they are tried, that carries it. */
  readonly profile: LoadProfile | null;
}

export interface ModelPlacement {
  readonly model: ModelId;
  readonly verdict: FitVerdict;
  /** The usual clips, the largest first, then the test render. */
  readonly clips: readonly ClipPlacement[];
  /** The memory mode of the largest clip that fits; null when none does. */
  readonly profile: LoadProfile | null;
}

/** Interpreter and libraries beside the weights: 0.8 GiB were measured with weights of a few megabytes. */
const programBytes = gibibyte;

/**
 * The sizes that clients ask for most; what a clip of the model's own length needs there decides how the model is
 * placed first.
 */
const usualSizes = [
  [1280, 720],
  [854, 480],
] as const;

const verdictOf = (checks: readonly (boolean | null)[]): FitVerdict =>
  checks.includes(false) ? "tooLarge" : checks.includes(null) ? "unknown" : "fits";

interface Needs {
  readonly deviceBytes: number;
  readonly hostBytes: number;
  readonly source: PlacementRow["source"];
}

function needsOf({ device }: MachineFacts, envelope: Envelope, profile: LoadProfile, table: EnvelopeTable): Needs {
  const { weightBytes, profiles } = envelope.model;
  const deviceUuid = device.kind === "unknown" ? "unknown" : device.uuid;
  const peak = predictPeak(table, { deviceUuid, profile }, envelope);
  if (device.kind !== "processor")
    return { deviceBytes: peak.bytes, hostBytes: weightBytes + programBytes, source: peak.source };
  if (peak.source === "learned") return { deviceBytes: 0, hostBytes: peak.bytes, source: "learned" };
  // Nothing can be moved out of the way: weights and work share the host's memory.
  const perToken = profiles[profile]?.bytesPerToken ?? Number.POSITIVE_INFINITY;
  return {
    deviceBytes: 0,
    hostBytes: weightBytes + programBytes + perToken * tokenCount(envelope.model, envelope),
    source: "formula",
  };
}

/** What a clip needs in a memory mode, and whether this machine has it. */
export function placementRow(
  machine: MachineFacts,
  envelope: Envelope,
  profile: LoadProfile,
  table: EnvelopeTable,
): PlacementRow {
  const { device, hostBytes } = machine;
  const needs = needsOf(machine, envelope, profile, table);
  const totalBytes =
    device.kind === "card" ? device.totalBytes : device.kind === "processor" ? Number.POSITIVE_INFINITY : null;
  const onDevice = Number.isFinite(needs.deviceBytes)
    ? totalBytes === null
      ? null
      : hasRoom(totalBytes, needs.deviceBytes)
    : false;
  const onHost = hostBytes === null ? null : needs.hostBytes <= hostBytes;
  const shortOf = onDevice === false ? "device" : onHost === false ? "host" : null;
  return { profile, ...needs, verdict: verdictOf([onDevice, onHost]), shortOf };
}

/** Clips by which a model is judged. */
function usualClips(model: ModelEntry): readonly Clip[] {
  const { defaultFrames, defaultSteps } = model;
  const usual = usualSizes.map(([width, height]) => ({ width, height, frames: defaultFrames, steps: defaultSteps }));
  return [...usual, canaryRequest(model)];
}

/**
 * Every memory mode of a model on this machine.
 * @param profiles in the order in which they are tried
 */
export function placeModel(
  machine: MachineFacts,
  model: ModelEntry,
  profiles: readonly LoadProfile[],
  table: EnvelopeTable,
): ModelPlacement {
  const offered = profiles.filter((profile) => model.profiles[profile] !== undefined);
  const clips = usualClips(model).map((clip): ClipPlacement => {
    const rows = offered.map((profile) => placementRow(machine, { model, ...clip }, profile, table));
    return { clip, rows, profile: rows.find(({ verdict }) => verdict === "fits")?.profile ?? null };
  });
  const profile = clips.find((clip) => clip.profile !== null)?.profile ?? null;
  const isOpen = clips.some(({ rows }) => rows.some(({ verdict }) => verdict === "unknown"));
  return { model: model.id, clips, profile, verdict: profile !== null ? "fits" : isOpen ? "unknown" : "tooLarge" };
}

/** Another model that this machine carries, and how: one that asks for the same input first. Null when it carries none. */
export function findInstead(
  machine: MachineFacts,
  model: ModelEntry,
  models: readonly ModelEntry[],
  profiles: readonly LoadProfile[],
  table: EnvelopeTable,
): ModelPlacement | null {
  const wantsOther = (one: ModelEntry): number => Number(needsImage(one) !== needsImage(model));
  return (
    models
      .toSorted((one, other) => wantsOther(one) - wantsOther(other))
      .map((other) => placeModel(machine, other, profiles, table))
      .find(({ verdict }) => verdict === "fits") ?? null
  );
}
