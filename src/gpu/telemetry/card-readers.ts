/**
 * Turns what the telemetry child last said, and how long ago, into a reading of the cards. Age is what makes a reading
 * `unknown`: a silent child must never look like healthy cards.
 */
import type { GpuEvidence } from "../../core/fault.ts";
import type { GpuStatus, MeasureOptions, Sample } from "../../core/ports/telemetry-probe.ts";
import { present, withoutNulls } from "../../core/present.ts";
import type { CardsKnown, GpuProbeClient } from "./gpu-probe-client.ts";

export type CardReading = Pick<Sample, "gpuKind" | "gpus" | "gpuStatus">;

/** One way to know of cards. Never rejects for a card that does not answer: that is a reading. */
export interface CardReader {
  read(options: MeasureOptions): Promise<CardReading>;
  /** Lines of the kernel's log since then, for the reader that follows it. */
  kernelLines?(fromMs: number): readonly string[];
  stop(): Promise<void>;
}

const nothing: GpuEvidence = {};

function evidenceOf({ word }: CardsKnown): GpuEvidence {
  if (word.kind === "trouble") {
    const { smiExitCode, nvmlCode } = word.trouble;
    return present({ smiExitCode, nvmlCode });
  }
  if (word.kind !== "cards") return nothing;
  const actions = word.cards
    .map(({ details }) => details.recoveryAction)
    .filter((action) => action !== null && action !== "None");
  const throttleMask = word.cards.reduce((mask, { details }) => mask | (details.throttleMask ?? 0), 0);
  return withoutNulls({
    recoveryAction: actions[0],
    throttleMask: throttleMask === 0 ? null : throttleMask,
    missingDeviceCount: word.missingCount === 0 ? null : word.missingCount,
  });
}

/** What the cards' state is, from the child's newest word and its age. Pure. */
function readingOf(known: CardsKnown, nowMs: number, staleAfterMs: number): CardReading {
  const { word, measuredAtMs } = known;
  const statusOf = (state: GpuStatus["state"], reason: string | null): GpuStatus => ({
    state,
    reason,
    measuredAtMs,
    evidence: state === "unknown" ? nothing : evidenceOf(known),
  });
  const lastSeen =
    measuredAtMs === null ? "never measured" : `last measured ${Math.round((nowMs - measuredAtMs) / 1_000)} s ago`;
  const gone = {
    gpuKind: word.kind === "cards" || word.kind === "trouble" ? word.gpuKind : "absent",
    gpus: [],
  } as const;
  switch (word.kind) {
    case "nothing":
      return { ...gone, gpuStatus: statusOf("unknown", "gpu-probe has not answered yet") };
    case "absent":
      return { ...gone, gpuStatus: statusOf("absent", word.reason) };
    case "trouble":
      return {
        ...gone,
        gpuStatus: statusOf(word.trouble.isDecided ? "failed" : "unknown", `${word.trouble.reason}; ${lastSeen}`),
      };
    case "cards": {
      if (nowMs - known.wordAtMs > staleAfterMs)
        return { ...gone, gpuStatus: statusOf("unknown", `no card answers; ${lastSeen}`) };
      const gpuStatus =
        word.missingCount > 0
          ? statusOf("failed", `${word.missingCount} of the cards are no longer listed`)
          : statusOf("measured", null);
      return { gpuKind: word.gpuKind, gpus: word.cards, gpuStatus };
    }
  }
}

/** Reads real cards by way of the telemetry child. A measurement that is older than three samples is unknown. */
export function createRealCards(
  client: GpuProbeClient,
  { nowMs, sampleEveryMs }: { readonly nowMs: () => number; readonly sampleEveryMs: number },
): CardReader {
  return {
    read: async ({ maxAgeMs }) => readingOf(await client.read(maxAgeMs), nowMs(), 3 * sampleEveryMs),
    kernelLines: (fromMs) => client.kernelLines(fromMs),
    stop: () => client.stop(),
  };
}

const states = ["absent", "measured", "unknown", "failed"] as const;

/** Joins several kinds of cards on one machine: all cards, the worst state, and the kind of the real ones. */
export function joinReadings(readings: readonly CardReading[]): CardReading {
  const [first = { gpuKind: "absent", gpus: [] }] = readings;
  const real = readings.find(({ gpuKind }) => gpuKind === "nvidia" || gpuKind === "amd");
  const simulated = readings.find(({ gpuKind }) => gpuKind === "simulated");
  const statuses = readings.flatMap(({ gpuStatus }) => (gpuStatus === undefined ? [] : [gpuStatus]));
  const gpuStatus = statuses.toSorted((a, b) => states.indexOf(b.state) - states.indexOf(a.state))[0];
  return {
    gpuKind: (real ?? simulated ?? first).gpuKind,
    gpus: readings.flatMap(({ gpus }) => gpus),
    ...present({ gpuStatus }),
  };
}
