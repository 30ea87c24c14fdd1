import { gibibyte, kibibyte, mebibyte } from "../core/units.ts";

/** The numbers in an out-of-memory message. Null = the message does not say. Bytes. */
export interface OutOfMemoryNumbers {
  readonly wantedBytes: number | null;
  readonly totalBytes: number | null;
  readonly freeBytes: number | null;
  /** Held by the process that failed, its allocator's cache included. */
  readonly ownBytes: number | null;
  readonly allocatedBytes: number | null;
  /** Held by the allocator and given to nobody. */
  readonly reservedUnallocatedBytes: number | null;
  /** Held by other processes, as far as the message names them. */
  readonly otherProcessesBytes: number;
}

const factors: Readonly<Record<string, number>> = {
  bytes: 1,
  B: 1,
  KiB: kibibyte,
  MiB: mebibyte,
  GiB: gibibyte,
  KB: kibibyte,
  MB: mebibyte,
  GB: gibibyte,
};
const amount = String.raw`(\d+(?:\.\d+)?) ?(bytes|[KMG]i?B|B)`;

function bytesIn(text: string, pattern: string): number | null {
  const match = new RegExp(pattern.replaceAll("#", amount)).exec(text);
  const factor = match?.[2] === undefined ? undefined : factors[match[2]];
  return match?.[1] === undefined || factor === undefined ? null : Math.round(Number(match[1]) * factor);
}

function sumOfOthers(text: string): number {
  const pattern = new RegExp(String.raw`Process \d+ has ${amount} memory in use`, "g");
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Math.round(Number(match[1]) * (factors[match[2] ?? ""] ?? 0)), 0);
}

/**
 * Reads both wordings: "GPU 0 has a total capacity of T of which F is free … A is allocated by PyTorch, and R is reserved by
 * PyTorch but unallocated", and the older "(GPU 0; T total capacity; A already allocated; F free; R reserved in total by
 * PyTorch)", also with its misspelling "capacty". Null when the text is no out-of-memory message.
 */
export function parseOutOfMemory(text: string): OutOfMemoryNumbers | null {
  const wantedBytes = bytesIn(text, "[Tt]ried to allocate #");
  if (wantedBytes === null && !/out of memory/i.test(text)) return null;
  const allocatedBytes = bytesIn(text, "Of the allocated memory # is allocated by PyTorch") ?? bytesIn(text, "# already allocated");
  const reservedTotalBytes = bytesIn(text, "# reserved in total by PyTorch");
  const olderUnallocated = reservedTotalBytes === null || allocatedBytes === null ? null : Math.max(0, reservedTotalBytes - allocatedBytes);
  return {
    wantedBytes,
    totalBytes: bytesIn(text, "total capaci?ty of #") ?? bytesIn(text, "# total capaci?ty"),
    freeBytes: bytesIn(text, "of which # is free") ?? bytesIn(text, "# free"),
    ownBytes: bytesIn(text, "this process has # memory in use") ?? reservedTotalBytes,
    allocatedBytes,
    reservedUnallocatedBytes: bytesIn(text, "# is reserved by PyTorch but unallocated") ?? olderUnallocated,
    otherProcessesBytes: sumOfOthers(text),
  };
}

/** What a shortage of memory really is, and so what can help. */
export type ShortageKind = "outOfMemory" | "outOfMemoryFragmented" | "outOfMemoryNeighbour";

/** A neighbour is to blame when others hold more than this share of the card. */
const neighbourRatio = 0.25;

/**
 * Fragmented: the allocator itself holds enough, unused. Neighbour: others hold more than a quarter of the card and more
 * than what was wanted. Else the request does not fit beside the model.
 */
export function shortageOf(numbers: OutOfMemoryNumbers): ShortageKind {
  const { wantedBytes, reservedUnallocatedBytes, totalBytes, freeBytes, ownBytes } = numbers;
  if (wantedBytes === null) return "outOfMemory";
  if (reservedUnallocatedBytes !== null && reservedUnallocatedBytes >= wantedBytes) return "outOfMemoryFragmented";
  const inferredBytes = totalBytes === null || freeBytes === null || ownBytes === null ? 0 : totalBytes - freeBytes - ownBytes;
  const othersBytes = Math.max(numbers.otherProcessesBytes, inferredBytes);
  const isNeighbour = totalBytes !== null && othersBytes > totalBytes * neighbourRatio && othersBytes >= wantedBytes;
  return isNeighbour ? "outOfMemoryNeighbour" : "outOfMemory";
}
