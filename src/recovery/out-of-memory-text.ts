/**
 * Reads the numbers in the out-of-memory messages of PyTorch and CUDA. They tell a fragmented cache from a neighbour
 * on the card and from a request that is too large.
 */
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
  /** Held by others: what the message names, or what is missing in its sum. */
  readonly othersBytes: number | null;
  /** The process's address space is exhausted, not the card. */
  readonly isAddressSpace: boolean;
}

/** Binary throughout: PyTorch writes `GiB`, and means the same by the `GB` of its older and of its Metal messages. */
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
const amount = String.raw`(\d{1,15}(?:\.\d{1,9})?) ?(bytes|[KMG]i?B|B)\b`;
const compiled = new Map<string, RegExp>();

/** `#` stands for an amount; several spaces may stand where the pattern has one. */
function patternOf(pattern: string): RegExp {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const made = new RegExp(pattern.replaceAll(" ", " +").replaceAll("#", amount), "g");
  compiled.set(pattern, made);
  return made;
}

function allBytes(text: string, pattern: string): number[] {
  return [...text.matchAll(patternOf(pattern))].map((match) =>
    Math.round(Number(match[1]) * (factors[match[2] ?? ""] ?? 0)),
  );
}

function firstBytes(text: string, ...patterns: readonly string[]): number | null {
  for (const pattern of patterns) {
    const [found] = allBytes(text, pattern);
    if (found !== undefined) return found;
  }
  return null;
}

const difference = (whole: number | null, part: number | null): number | null =>
  whole === null || part === null ? null : Math.max(0, whole - part);

/** Two decimals of a gibibyte, several times over: sums of such amounts differ by no more. */
const roundingBytes = 64 * mebibyte;
/** What a process holds beside its allocator: the context, libraries' workspaces. Measured sizes are below 2 GiB. */
const besideAllocatorBytes = 2 * gibibyte;
/** No wording is longer. */
const longestText = 4_000;

interface Shares {
  readonly ownBytes: number | null;
  readonly othersBytes: number | null;
}

/**
 * Who holds the card. The message names processes as the driver counts them; inside a container it cannot tell which one it
 * is itself, and names its own among the others (`Process 4242 has …`). The allocator's own sum tells: the named process that
 * holds just that much or a little more is the failed one. An amount above the card's total is the driver's overflow
 * (`17179869184.00 GiB`) and says nothing.
 */
function sharesOf(
  text: string,
  totalBytes: number | null,
  freeBytes: number | null,
  reservedBytes: number | null,
): Shares {
  const isSane = (bytes: number): boolean => totalBytes === null || bytes <= totalBytes + roundingBytes;
  const named = allBytes(text, String.raw`Process \d+ has # memory in use`).filter(isSane);
  const told = allBytes(text, "this process has # memory in use").find(isSane) ?? null;
  const isMine = (bytes: number): boolean =>
    reservedBytes !== null && bytes >= reservedBytes - roundingBytes && bytes <= reservedBytes + besideAllocatorBytes;
  const fitting = named.filter(isMine);
  const mine = told === null && fitting.length > 0 ? Math.min(...fitting) : null;
  const ownBytes = told ?? mine ?? reservedBytes;
  const namedOthers = named.reduce((sum, bytes) => sum + bytes, 0) - (mine ?? 0);
  const rest = difference(difference(totalBytes, freeBytes), ownBytes);
  // What is named and what is left over are two measures of the same; the driver keeps some for itself, so the named wins.
  return { ownBytes, othersBytes: namedOthers > 0 ? namedOthers : rest };
}

/** How such a message begins, alone or behind its type; in the middle of another one it is a quotation. */
const isOutOfMemory =
  /^\s*(?:[\w.]*Error(?:: |\(['"]))?(?:(?:CUDA|HIP) out of memory|Allocation on device|CUDA error: out of memory|(?:CUDA error: |cuDNN error: )?CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED)/;

/**
 * Reads PyTorch's three wordings: "GPU 0 has a total capacity of T of which F is free … A is allocated by PyTorch, and R is
 * reserved by PyTorch but unallocated"; the older "(GPU 0; T total capacity; A already allocated; F free; R reserved in total
 * by PyTorch)", also with its misspelling "capacty"; and the asynchronous allocator's list ("Currently allocated : A").
 * Null when the text is no out-of-memory message.
 */
export function parseOutOfMemory(message: string): OutOfMemoryNumbers | null {
  if (!isOutOfMemory.test(message)) return null;
  const text = message.slice(0, longestText);
  const wantedBytes = firstBytes(text, "[Tt]ried to allocate #", "Requested : #");
  const totalBytes = firstBytes(text, "total capaci?ty of #", "# total capaci?ty", "Device limit : #");
  const freeBytes = firstBytes(text, "of which # is free", "# free;", String.raw`Free \(according to CUDA\): #`);
  const allocatedBytes = firstBytes(
    text,
    "# is allocated by PyTorch",
    "# already allocated",
    "Currently allocated : #",
  );
  const olderReservedBytes = firstBytes(text, "# reserved in total by PyTorch");
  const reservedUnallocatedBytes =
    firstBytes(text, "# is reserved by PyTorch but unallocated") ?? difference(olderReservedBytes, allocatedBytes);
  const reservedBytes =
    olderReservedBytes ?? (allocatedBytes === null ? null : allocatedBytes + (reservedUnallocatedBytes ?? 0));
  return {
    wantedBytes,
    totalBytes,
    freeBytes,
    ...sharesOf(text, totalBytes, freeBytes, reservedBytes),
    allocatedBytes,
    reservedUnallocatedBytes,
    isAddressSpace: text.includes("virtual-address-space (VSZ) exhaustion"),
  };
}
