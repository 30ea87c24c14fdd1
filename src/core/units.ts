/**
 * Times and bytes by name, and their spelling in settings and for people. `KiB` and its like are binary; `KB` and its
 * like are decimal.
 */

export const kibibyte = 1024;
export const mebibyte = 1024 * kibibyte;
export const gibibyte = 1024 * mebibyte;
export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: secondMs, m: minuteMs, h: hourMs, d: dayMs };
const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: kibibyte,
  MiB: mebibyte,
  GiB: gibibyte,
  TiB: 1024 * gibibyte,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  return match?.[1] === undefined || factor === undefined ? undefined : Number(match[1]) * factor;
}

/** `"30s"`, `"1.5h"` → ms; undefined when it is not such a text. */
export const parseDurationMs = (text: string): number | undefined => parseWithUnit(text, durationUnits);

/** `"12GiB"`, `"500MB"` → bytes; undefined when it is not such a text. */
export const parseBytes = (text: string): number | undefined => parseWithUnit(text, byteUnits);

/** Bytes for people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units: readonly (readonly [string, number])[] = [
    ["GiB", gibibyte],
    ["MiB", mebibyte],
    ["KiB", kibibyte],
  ];
  const unit = units.find(([, factor]) => Math.abs(bytes) >= factor);
  return unit === undefined ? `${Math.round(bytes)} B` : `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
}
