/** What the table of memory modes says, in sentences for people. */
import { sizeText } from "../core/pixel-size.ts";
import { formatBytes, secondMs } from "../core/units.ts";
import type { ClipTime } from "./clip-time.ts";
import type { Clip, ClipPlacement, DeviceFacts, MachineFacts, ModelPlacement, PlacementRow } from "./placement.ts";

export function deviceWords(device: DeviceFacts): string {
  if (device.kind === "card")
    return device.totalBytes === null ? device.name : `${device.name} with ${formatBytes(device.totalBytes)}`;
  return device.kind === "processor" ? "this machine's processor" : `a card that is not known (${device.why})`;
}

export const machineWords = ({ device, hostBytes }: MachineFacts): string =>
  hostBytes === null || !Number.isFinite(hostBytes)
    ? deviceWords(device)
    : `${deviceWords(device)} and ${formatBytes(hostBytes)} of host memory`;

export const clipWords = (clip: Pick<Clip, "width" | "height" | "frames">): string =>
  `${sizeText(clip)} with ${clip.frames} frames`;

/** A simulated card's weights take nothing of the host. */
const needWords = (machine: MachineFacts, { deviceBytes, hostBytes, source }: PlacementRow): string => {
  const parts = [
    ...(deviceBytes > 0 ? [`${formatBytes(deviceBytes)} of the card`] : []),
    ...(machine.hostBytes === Number.POSITIVE_INFINITY ? [] : [`${formatBytes(hostBytes)} of host memory`]),
  ];
  return `${parts.join(" and ")} (${source === "learned" ? "measured on this machine" : "the registry's figures, not measured here"})`;
};

const leanestOf = ({ rows }: ClipPlacement): PlacementRow | undefined =>
  rows.toSorted((one, other) => one.deviceBytes - other.deviceBytes || one.hostBytes - other.hostBytes)[0];

/** One line: whether the machine carries the model, how, and what the largest clip that fits needs. */
export function placementSentence(machine: MachineFacts, { model, verdict, clips }: ModelPlacement): string {
  const where = machineWords(machine);
  const fitting = clips.find(({ profile }) => profile !== null);
  const row = fitting?.rows.find(({ profile }) => profile === fitting.profile);
  // The last one is the test render: what is larger does not fit, and what is between was not asked.
  if (fitting !== undefined && row !== undefined && fitting === clips.at(-1))
    return `${model} fits ${where} for clips below the usual sizes alone, in memory mode ${row.profile}: a test render takes ${needWords(machine, row)}.`;
  if (fitting !== undefined && row !== undefined)
    return `${model} fits ${where} in memory mode ${row.profile}: ${clipWords(fitting.clip)} takes ${needWords(machine, row)}.`;
  const [largest] = clips;
  const leanest = largest === undefined ? undefined : leanestOf(largest);
  if (verdict === "unknown" && leanest !== undefined && largest !== undefined)
    return `Whether ${model} fits is unknown on ${where}: ${clipWords(largest.clip)} takes at least ${needWords(machine, leanest)}.`;
  const smallest = clips.at(-1);
  const least = smallest === undefined ? undefined : leanestOf(smallest);
  const need = least === undefined ? "" : ` even a test render takes ${needWords(machine, least)}`;
  return `${model} fits ${where} in no memory mode:${need}.`;
}

/** The refusal: the same, and which model fits instead. */
export function refusalSentence(
  machine: MachineFacts,
  placement: ModelPlacement,
  instead: ModelPlacement | null,
): string {
  const advice =
    instead === null
      ? "No model of the registry does."
      : `${instead.model} does, in memory mode ${instead.profile ?? "unknown"}.`;
  return `${placementSentence(machine, placement)} ${advice}`;
}

/** `45 s`, `2 min 34 s`, `17 min`, `1 h 5 min`. */
export function durationWords(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / secondMs));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const sourceWords = { history: "measured on this machine", published: "published", estimated: "estimated" } as const;

export function clipTimeSentence(clip: Clip, time: ClipTime): string {
  const what = `clip of ${clipWords(clip)} in ${clip.steps} steps`;
  if (time.kind === "unknown") return `How long a ${what} takes is unknown: ${time.why}.`;
  const from = time.source === "estimated" ? `from ${time.basis}` : time.basis;
  return `A ${what} takes about ${durationWords(time.ms)} (${sourceWords[time.source]}: ${from}).`;
}
