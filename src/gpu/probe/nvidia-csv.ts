/**
 * Reads the text that `nvidia-smi` prints: cards, who holds them, and MIG slices. What it does not say becomes null
 * with the tool's own words as the reason.
 */
import { mebibyte } from "../../core/units.ts";
import { emptyDetails } from "../empty-details.ts";
import { type ChosenFields, nvidiaFields } from "./nvidia-fields.ts";
import type { Card } from "./probe-protocol.ts";

/**
 * The tool writes `[N/A]`, `N/A`, `[Not Supported]`, `[Unknown Error]`, `[GPU is lost]`, `[Insufficient Permissions]`
 * or `ERR!`.
 */
const notAValue = /^(?:\[.*\]|N\/A|Not Supported|ERR!|)$/i;
const isLostText = /GPU is lost/i;

export type RowReading =
  | { readonly kind: "card"; readonly card: Card }
  /** The driver knows of the card and cannot reach it. */
  | { readonly kind: "lost"; readonly text: string }
  /** The line is no row but a message of the tool. */
  | { readonly kind: "text"; readonly text: string };

interface Cells {
  readonly values: Readonly<Record<string, string | number | boolean | null>>;
  readonly unavailable: Readonly<Record<string, string>>;
}

function readCells(chosen: ChosenFields, cells: readonly string[]): Cells {
  const values: Record<string, string | number | boolean | null> = {};
  const unavailable: Record<string, string> = {};
  let column = 0;
  for (const [index, field] of nvidiaFields.entries()) {
    const name = chosen[index] ?? null;
    const cell = name === null ? "" : (cells[column] ?? "");
    if (name !== null) column += 1;
    const value = notAValue.test(cell) ? null : field.read(cell);
    values[field.fills] = value;
    if (value === null)
      unavailable[field.fills] = name === null ? "this driver does not know the field" : `nvidia-smi says "${cell}"`;
  }
  return { values, unavailable };
}

const numberIn = (cells: Cells, field: string): number | null =>
  typeof cells.values[field] === "number" ? cells.values[field] : null;

/** Boards such as the GB10 have no memory of their own; a card in MIG mode, or one that is not let see, is no such board. */
function sharesMemory({ values, unavailable }: Cells): boolean {
  return (
    values["totalBytes"] === null &&
    values["isMigEnabled"] !== true &&
    /N\/A|Not Supported/i.test(unavailable["totalBytes"] ?? "")
  );
}

function cardOf(cells: Cells): Card | null {
  const { values } = cells;
  const uuid = values["uuid"];
  if (typeof uuid !== "string" || !uuid.startsWith("GPU-")) return null;
  const used = numberIn(cells, "usedBytes");
  const details = Object.fromEntries(Object.entries(emptyDetails).map(([key, empty]) => [key, values[key] ?? empty]));
  return {
    uuid,
    name: typeof values["name"] === "string" ? values["name"] : uuid,
    totalBytes: numberIn(cells, "totalBytes"),
    usedBytes: used === null ? null : used + (numberIn(cells, "reservedBytes") ?? 0),
    utilizationRatio: numberIn(cells, "utilizationRatio"),
    temperatureCelsius: numberIn(cells, "temperatureCelsius"),
    unavailable: cells.unavailable,
    details: { ...(details as Card["details"]), sharesHostMemory: sharesMemory(cells) },
  };
}

/** Reads one line of `--format=csv,noheader,nounits`. */
export function readRow(chosen: ChosenFields, line: string): RowReading {
  const columnCount = chosen.filter((name) => name !== null).length;
  const parts = line.split(",").map((cell) => cell.trim());
  if (parts.length < columnCount)
    return isLostText.test(line) ? { kind: "lost", text: line.trim() } : { kind: "text", text: line.trim() };
  const cells = [...parts.slice(0, columnCount - 1), parts.slice(columnCount - 1).join(", ")];
  const memoryIsLost = cells.slice(1).some((cell) => isLostText.test(cell));
  if (memoryIsLost) return { kind: "lost", text: `${cells[0]}: GPU is lost` };
  const card = cardOf(readCells(chosen, cells));
  return card === null ? { kind: "text", text: line.trim() } : { kind: "card", card };
}

/** Who holds which card, by its uuid. */
export type Holders = ReadonlyMap<string, readonly { readonly pid: number; readonly usedBytes: number | null }[]>;

/** Reads the output of `--query-compute-apps=gpu_uuid,pid,used_gpu_memory`. */
export function readHolders(output: string): Holders {
  const holders = new Map<string, { pid: number; usedBytes: number | null }[]>();
  for (const line of output.split("\n")) {
    const [uuid = "", pid = "", used = ""] = line.split(",").map((cell) => cell.trim());
    if (!uuid.startsWith("GPU-") || !/^\d+$/.test(pid)) continue;
    const usedBytes = /^\d+$/.test(used) ? Number(used) * mebibyte : null;
    holders.set(uuid, [...(holders.get(uuid) ?? []), { pid: Number(pid), usedBytes }]);
  }
  return holders;
}

/**
 * Reads the slices of cards in MIG mode from `nvidia-smi -L`. The query has no figures of them: every one of theirs is
 * null, and the memory that a worker on a slice holds is known from the worker alone.
 */
export function readSlices(listing: string): readonly Card[] {
  const slices: Card[] = [];
  let parentUuid: string | null = null;
  for (const line of listing.split("\n")) {
    parentUuid = /^GPU \d+: .*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1] ?? parentUuid;
    const [, name, uuid] = /^\s+(MIG .*?)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (name === undefined || uuid === undefined || parentUuid === null) continue;
    const reason = "nvidia-smi has no figures of a MIG slice";
    const unavailable = Object.fromEntries(
      ["totalBytes", "usedBytes", "utilizationRatio", "temperatureCelsius"].map((key) => [key, reason]),
    );
    const none = { totalBytes: null, usedBytes: null, utilizationRatio: null, temperatureCelsius: null };
    slices.push({ uuid, name, ...none, unavailable, details: { ...emptyDetails, parentUuid } });
  }
  return slices;
}
