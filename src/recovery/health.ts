/**
 * Judges samples of cards, host and disk against thresholds. A level is entered after several samples in a row and
 * left with a margin, so that a value at its threshold does not flap; what was not measured is unknown.
 */
import type { GpuSample, Sample } from "../core/ports/telemetry-probe.ts";
import { formatBytes, gibibyte } from "../core/units.ts";
import { ofHardware, ofThrottling } from "./judge-machine.ts";

/** What is judged. */
const healthReadings = [
  "cpu",
  "memory",
  "pressure",
  "disk",
  "inodes",
  "vram",
  "temperature",
  "throttling",
  "gpuPresence",
] as const;
export type HealthReading = (typeof healthReadings)[number];

/** `unknown` = not measured yet; it is never counted as normal. */
type HealthLevel = "unknown" | "normal" | "warning" | "critical";

interface Threshold {
  readonly warning: number;
  readonly critical: number;
}

/** Where warnings and criticals begin. Ratios are 0..1; the others say their unit. */
export interface HealthThresholds {
  readonly cpuRatio: Threshold;
  readonly memoryRatio: Threshold;
  readonly vramRatio: Threshold;
  readonly temperatureCelsius: Threshold;
  /** Share of the time in which every task of the host waits for memory. */
  readonly pressureRatio: Threshold;
  /** Share of the inodes that is free; at or below it is entered. */
  readonly inodesFreeRatio: Threshold;
  /** Free bytes at or below which it is entered. */
  readonly diskFreeBytes: Threshold;
  readonly entrySampleCount: number;
  /** How far a ratio must fall below its threshold to leave it. */
  readonly leaveMarginRatio: number;
  readonly leaveMarginCelsius: number;
}

/**
 * The thresholds that the compatible clients know; temperature below the slow-down of current cards (around 87 °C), disk by
 * `disk.minFree`. A host that waits for memory a tenth of its time is thrashing well before it is out of memory.
 */
export const defaultHealthThresholds: HealthThresholds = {
  cpuRatio: { warning: 0.8, critical: 0.95 },
  memoryRatio: { warning: 0.8, critical: 0.95 },
  vramRatio: { warning: 0.9, critical: 0.95 },
  temperatureCelsius: { warning: 83, critical: 90 },
  pressureRatio: { warning: 0.1, critical: 0.5 },
  diskFreeBytes: { warning: 5 * gibibyte, critical: 2 * gibibyte },
  inodesFreeRatio: { warning: 0.05, critical: 0.01 },
  entrySampleCount: 3,
  leaveMarginRatio: 0.05,
  leaveMarginCelsius: 5,
};

/** Known memory of a device's running job and resident model, by device uuid. */
export type EnvelopeBytes = Readonly<Record<string, number>>;

interface ReadingState {
  readonly level: HealthLevel;
  /** The measured value in the threshold's unit; null when not measured. */
  readonly value: number | null;
  /** Samples in a row above `warning` and above `critical`. */
  readonly warningStreak: number;
  readonly criticalStreak: number;
}

export type HealthReadings = Readonly<Record<HealthReading, ReadingState>>;

const unmeasured: ReadingState = { level: "unknown", value: null, warningStreak: 0, criticalStreak: 0 };

export const unknownReadings: HealthReadings = {
  cpu: unmeasured,
  memory: unmeasured,
  pressure: unmeasured,
  disk: unmeasured,
  inodes: unmeasured,
  vram: unmeasured,
  temperature: unmeasured,
  throttling: unmeasured,
  gpuPresence: unmeasured,
};

/**
 * Use of what is left beside the known envelope: a job inside its envelope is no issue, however full the card is.
 * Null when the card could not be measured.
 */
function vramUseRatio(gpu: GpuSample, envelopeBytes: number): number | null {
  if (gpu.totalBytes === null || gpu.usedBytes === null || gpu.totalBytes <= 0) return null;
  const restBytes = gpu.totalBytes - envelopeBytes;
  if (restBytes <= 0) return gpu.usedBytes > gpu.totalBytes ? 1 : 0;
  return Math.max(0, gpu.usedBytes - envelopeBytes) / restBytes;
}

/** The largest share of a card that is in use, whoever uses it; null when no card could be measured. */
export const cardRatioOf = ({ gpus }: Pick<Sample, "gpus">): number | null =>
  worst(gpus.map((gpu) => vramUseRatio(gpu, 0)));

const worst = (values: readonly (number | null)[]): number | null => {
  const measured = values.filter((value) => value !== null);
  return measured.length === 0 ? null : Math.max(...measured);
};

/** One step of the hysteresis: `entrySampleCount` samples in a row to enter, the margin to leave. Higher = worse. */
function nextReading(
  before: ReadingState,
  value: number | null,
  threshold: Threshold,
  marginBelow: number,
  entrySampleCount: number,
): ReadingState {
  if (value === null) return { ...before, value: null, level: "unknown", warningStreak: 0, criticalStreak: 0 };
  const warningStreak = value >= threshold.warning ? before.warningStreak + 1 : 0;
  const criticalStreak = value >= threshold.critical ? before.criticalStreak + 1 : 0;
  const holds = (level: "warning" | "critical"): boolean => {
    if ((level === "warning" ? warningStreak : criticalStreak) >= entrySampleCount) return true;
    const isInside = before.level === level || (level === "warning" && before.level === "critical");
    return isInside && value > threshold[level] - marginBelow;
  };
  const level: HealthLevel = holds("critical") ? "critical" : holds("warning") ? "warning" : "normal";
  return { level, value, warningStreak, criticalStreak };
}

/** Free bytes are judged negated, so that higher is worse there too. */
const negated = (threshold: Threshold): Threshold => ({ warning: -threshold.warning, critical: -threshold.critical });

/** 1 = a card is gone or its driver wants it reset; 0.5 = nobody can say; 0 = the cards answer. */
const gpuAbsence: Threshold = { warning: 0.5, critical: 1 };

/** `always`: a missing card is a fault; `asFound`: a machine without card and tool is as it should be; `never`: rendered on the processor. */
export type GpuExpectation = "always" | "asFound" | "never";

/** A machine that is configured without a card, or has none, has none to lose. */
const isWithoutCards = ({ gpuStatus }: Sample, expectation: GpuExpectation): boolean =>
  expectation === "never" || (expectation === "asFound" && gpuStatus?.state === "absent");

function absenceOf({ gpus, gpuStatus }: Sample): number {
  if (gpuStatus?.state === "unknown") return gpuAbsence.warning;
  const isDefect = gpuStatus?.state === "failed" || ofHardware({ gpu: gpuStatus?.evidence ?? {} }) !== null;
  return gpus.length === 0 || isDefect ? gpuAbsence.critical : 0;
}

/** A card that slows itself down makes jobs late, and no more: it is never critical. */
const throttled: Threshold = { warning: 1, critical: Number.POSITIVE_INFINITY };

function throttlingOf({ gpus }: Sample): number | null {
  const masks = gpus.map(({ details }) => details?.throttleMask ?? null).filter((mask) => mask !== null);
  return masks.length === 0
    ? null
    : Number(masks.some((throttleMask) => ofThrottling({ gpu: { throttleMask } }) !== null));
}

function inodesFreeRatioOf({ host }: Sample): number | null {
  const inodes = host.details?.inodes ?? null;
  return inodes === null || inodes.totalCount === 0 ? null : inodes.freeCount / inodes.totalCount;
}

export interface HealthQuestion {
  readonly readings: HealthReadings;
  readonly sample: Sample;
  readonly envelopes: EnvelopeBytes;
  readonly gpuExpectation: GpuExpectation;
  readonly thresholds: HealthThresholds;
}

/** The readings after one more sample. */
export function judgeSample(question: HealthQuestion): HealthReadings {
  const { readings, sample, envelopes, gpuExpectation, thresholds } = question;
  const { entrySampleCount, leaveMarginRatio, leaveMarginCelsius } = thresholds;
  const ratio = (reading: HealthReading, value: number | null, threshold: Threshold): ReadingState =>
    nextReading(readings[reading], value, threshold, leaveMarginRatio, entrySampleCount);
  const absence = isWithoutCards(sample, gpuExpectation) ? 0 : absenceOf(sample);
  const diskMarginBytes = thresholds.diskFreeBytes.warning * leaveMarginRatio;
  const disk = nextReading(
    readings.disk,
    -sample.host.diskFreeBytes,
    negated(thresholds.diskFreeBytes),
    diskMarginBytes,
    entrySampleCount,
  );
  const inodesFree = inodesFreeRatioOf(sample);
  const inodesMargin = thresholds.inodesFreeRatio.warning * leaveMarginRatio;
  const inodesUse = inodesFree === null ? null : -inodesFree;
  const inodes = nextReading(
    readings.inodes,
    inodesUse,
    negated(thresholds.inodesFreeRatio),
    inodesMargin,
    entrySampleCount,
  );
  return {
    cpu: ratio("cpu", sample.host.cpuRatio, thresholds.cpuRatio),
    memory: ratio("memory", sample.host.memoryRatio, thresholds.memoryRatio),
    pressure: ratio("pressure", sample.host.details?.pressure.memory?.fullRatio ?? null, thresholds.pressureRatio),
    inodes: { ...inodes, value: inodesFree },
    throttling: nextReading(readings.throttling, throttlingOf(sample), throttled, 0, entrySampleCount),
    disk: { ...disk, value: sample.host.diskFreeBytes },
    vram: ratio(
      "vram",
      worst(sample.gpus.map((gpu) => vramUseRatio(gpu, envelopes[gpu.uuid] ?? 0))),
      thresholds.vramRatio,
    ),
    temperature: nextReading(
      readings.temperature,
      worst(sample.gpus.map((gpu) => gpu.temperatureCelsius)),
      thresholds.temperatureCelsius,
      leaveMarginCelsius,
      entrySampleCount,
    ),
    // That a card is not known is the end of a wait already, and never passes for health in the meantime.
    gpuPresence: nextReading(
      readings.gpuPresence,
      absence,
      gpuAbsence,
      0,
      absence === gpuAbsence.warning ? 1 : entrySampleCount,
    ),
  };
}

export type OverallLevel = "unknown" | "healthy" | "warning" | "critical";

/** The worst reading decides. A reading that cannot be measured here is no verdict, but without any there is none at all. */
export function overallLevel(readings: HealthReadings): OverallLevel {
  const levels = Object.values(readings).map((reading) => reading.level);
  if (levels.includes("critical")) return "critical";
  if (levels.includes("warning")) return "warning";
  return readings.cpu.level === "normal" && readings.memory.level === "normal" ? "healthy" : "unknown";
}

export interface HealthIssue {
  readonly reading: HealthReading;
  readonly severity: "warning" | "critical";
  readonly message: string;
  readonly recommendation: string;
}

const percent = (value: number | null): string => (value === null ? "not measured" : `${Math.round(value * 100)} %`);

const issueTexts: Readonly<
  Record<HealthReading, (value: number | null) => Pick<HealthIssue, "message" | "recommendation">>
> = {
  cpu: (value) => ({
    message: `CPU use is ${percent(value)}.`,
    recommendation: "Stop other programs on this host; stand-ins are served from the clip that was made at the start.",
  }),
  memory: (value) => ({
    message: `Memory use is ${percent(value)}.`,
    recommendation: "Use a load profile with less host memory, or stop other programs.",
  }),
  pressure: (value) => ({
    message: `Programs of this host wait for memory ${percent(value)} of the time.`,
    recommendation: "Use a load profile with less host memory, or stop other programs.",
  }),
  inodes: (value) => ({
    message: `${percent(value)} of the file system's inodes are free.`,
    recommendation: "Delete small files that nobody needs: a disk without inodes takes no new file.",
  }),
  throttling: () => ({
    message: "A card slows itself down, because it is too hot or gets too little power.",
    recommendation: "Improve the cooling or the power supply; renders take longer until then.",
  }),
  disk: (value) => ({
    message: `${value === null ? "An unknown amount" : formatBytes(value)} of disk is free.`,
    recommendation: "Free disk space or shorten the retention.",
  }),
  vram: (value) => ({
    message: `${percent(value)} of the GPU memory outside known envelopes is in use.`,
    recommendation: "End other programs on the card, or recycle the worker when its memory keeps growing.",
  }),
  temperature: (value) => ({
    message: `The hottest card is at ${value ?? "?"} °C.`,
    recommendation: "Improve the cooling, or lower the card's power limit.",
  }),
  gpuPresence: (value) => ({
    message:
      value === gpuAbsence.warning
        ? "Nobody can say how the GPU is: its tool does not answer."
        : "A configured GPU does not answer, or its driver asks for a reset.",
    recommendation: "Check the driver; reset the card, or reboot the host when it has fallen off the bus.",
  }),
};

/** Every reading above a threshold, worst first, with what to do about it. */
export function listIssues(readings: HealthReadings): readonly HealthIssue[] {
  const issues = healthReadings.flatMap((reading): HealthIssue[] => {
    const { level, value } = readings[reading];
    return level === "warning" || level === "critical"
      ? [{ reading, severity: level, ...issueTexts[reading](value) }]
      : [];
  });
  return issues.toSorted((a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"));
}

/** The card that a reading is about; null for readings of the host. */
export function worstDevice(
  reading: HealthReading,
  gpus: readonly GpuSample[],
  envelopes: EnvelopeBytes,
): string | null {
  if (reading !== "vram" && reading !== "temperature") return null;
  const severityOf = (gpu: GpuSample): number =>
    (reading === "vram" ? vramUseRatio(gpu, envelopes[gpu.uuid] ?? 0) : gpu.temperatureCelsius) ??
    Number.NEGATIVE_INFINITY;
  return gpus.toSorted((a, b) => severityOf(b) - severityOf(a))[0]?.uuid ?? null;
}

export interface LevelChange {
  readonly reading: HealthReading;
  readonly from: HealthLevel;
  readonly to: HealthLevel;
}

export function listChanges(before: HealthReadings, after: HealthReadings): readonly LevelChange[] {
  return healthReadings
    .filter((reading) => before[reading].level !== after[reading].level)
    .map((reading) => ({ reading, from: before[reading].level, to: after[reading].level }));
}
