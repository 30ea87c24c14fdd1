/**
 * Groups the rows of `nvidia-smi`'s loop into whole ticks: the tool marks no end of a tick, and a half-read one would
 * look like a lost card.
 */
import { readRow } from "./nvidia-csv.ts";
import type { ChosenFields } from "./nvidia-fields.ts";
import type { Card } from "./probe-protocol.ts";

/** All cards of one tick; `lost` = the driver knows of them and cannot reach them. */
export interface Listing {
  readonly kind: "cards";
  readonly cards: readonly Card[];
  readonly lost: readonly string[];
}

export function readListing(chosen: ChosenFields, lines: readonly string[]): Listing {
  const rows = lines.filter((line) => line.trim() !== "").map((line) => readRow(chosen, line));
  return {
    kind: "cards",
    cards: rows.flatMap((row) => (row.kind === "card" ? [row.card] : [])),
    lost: rows.flatMap((row) => (row.kind === "lost" ? [row.text] : [])),
  };
}

/** The loop's rows come one by one: a tick is over when all cards have come, or when the first comes again. */
export function createTicks(
  chosen: ChosenFields,
  firstCount: number,
  onTick: (listing: Listing) => void,
): (line: string) => void {
  let lines: string[] = [];
  let keys = new Set<string>();
  let expectedCount = firstCount;
  const flush = (): void => {
    const listing = readListing(chosen, lines);
    expectedCount = keys.size;
    lines = [];
    keys = new Set();
    onTick(listing);
  };
  return (line) => {
    const row = readRow(chosen, line);
    if (row.kind === "text") return;
    const key = row.kind === "card" ? row.card.uuid : row.text;
    if (keys.has(key)) flush();
    keys.add(key);
    lines.push(line);
    if (keys.size >= expectedCount) flush();
  };
}
