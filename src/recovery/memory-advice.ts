/**
 * Says which measures can help against one want of memory, by the numbers of its message. Clearing a cache that holds
 * less than what is missing helps nobody.
 */
import type { Evidence } from "../core/fault.ts";
import { formatBytes } from "../core/units.ts";
import { type OutOfMemoryNumbers, parseOutOfMemory } from "./out-of-memory-text.ts";

/** What can be done about a want of memory on the card, in the order in which each is worth trying. */
export const memoryMeasures = ["clearCache", "waitForNeighbour", "tileDecode", "nextProfile", "reduce"] as const;
export type MemoryMeasure = (typeof memoryMeasures)[number];

/** `unknown` = nothing that is known speaks against it. */
export interface MeasureAdvice {
  readonly helps: "yes" | "no" | "unknown";
  readonly reason: string;
}

export interface MemoryAdvice {
  readonly measures: Readonly<Record<MemoryMeasure, MeasureAdvice>>;
  /** What to try first; null when nothing can help. */
  readonly first: MemoryMeasure | null;
}

type Phase = Evidence["phase"];

/** A neighbour is to blame when others hold more than this share of the card. */
const neighbourRatio = 0.25;
/** One allocation of more than this share of the card is the request's size, not the model's. */
const largeRatio = 0.5;

const yes = (reason: string): MeasureAdvice => ({ helps: "yes", reason });
const no = (reason: string): MeasureAdvice => ({ helps: "no", reason });
const unknown = (reason: string): MeasureAdvice => ({ helps: "unknown", reason });

const holdsOthers = ({ othersBytes, totalBytes, wantedBytes }: OutOfMemoryNumbers): boolean =>
  othersBytes !== null &&
  totalBytes !== null &&
  othersBytes > totalBytes * neighbourRatio &&
  othersBytes >= (wantedBytes ?? 0);

/** What is wanted beyond what is free. */
const missingBytesOf = ({ wantedBytes, freeBytes }: OutOfMemoryNumbers): number | null =>
  wantedBytes === null ? null : Math.max(0, wantedBytes - (freeBytes ?? 0));

function ofCache(numbers: OutOfMemoryNumbers): MeasureAdvice {
  const { reservedUnallocatedBytes, isAddressSpace } = numbers;
  if (isAddressSpace) return no("the process's address space is exhausted; memory on the card is not what is missing");
  const missingBytes = missingBytesOf(numbers);
  if (reservedUnallocatedBytes === null || missingBytes === null)
    return unknown("the message does not say what the cache holds");
  const held = `the allocator's cache holds ${formatBytes(reservedUnallocatedBytes)} of the ${formatBytes(missingBytes)} that are missing`;
  if (reservedUnallocatedBytes > 0 && reservedUnallocatedBytes >= missingBytes) return yes(held);
  return no(
    holdsOthers(numbers)
      ? "other processes hold the memory; clearing this worker's cache does not free enough of it"
      : held,
  );
}

function ofNeighbour(numbers: OutOfMemoryNumbers): MeasureAdvice {
  const { othersBytes } = numbers;
  if (othersBytes === null) return unknown("the message does not say what others hold");
  const held = `other processes hold ${formatBytes(othersBytes)}`;
  if (holdsOthers(numbers)) return yes(held);
  return no(`${held}, too little to matter`);
}

function ofTiling(phase: Phase): MeasureAdvice {
  if (phase === undefined) return unknown("the phase is not known");
  return phase === "decode"
    ? yes("decoding in tiles needs a fraction of the memory")
    : no(`tiles change nothing in phase ${phase}`);
}

function ofProfile(numbers: OutOfMemoryNumbers): MeasureAdvice {
  const { wantedBytes, freeBytes, ownBytes, totalBytes } = numbers;
  const reachableBytes = freeBytes !== null && ownBytes !== null ? freeBytes + ownBytes : totalBytes;
  if (wantedBytes === null || reachableBytes === null)
    return unknown("the message does not say how much a leaner profile could free");
  const wanted = `one allocation wants ${formatBytes(wantedBytes)}`;
  return wantedBytes > reachableBytes
    ? no(`${wanted}, and with no model at all this process could have ${formatBytes(reachableBytes)}`)
    : yes(
        `${wanted}; a leaner profile can free that much of the ${formatBytes(reachableBytes)} that this process can have`,
      );
}

function ofReduction({ wantedBytes, totalBytes }: OutOfMemoryNumbers, phase: Phase): MeasureAdvice {
  if (phase === "load" || phase === "idle") return no("no request was being rendered; the model itself does not fit");
  if (wantedBytes === null || totalBytes === null) return unknown("the message does not say how large the request is");
  return wantedBytes > totalBytes * largeRatio
    ? yes(`one allocation wants ${formatBytes(wantedBytes)} of a card of ${formatBytes(totalBytes)}`)
    : unknown("a smaller request needs less, by how much the message does not say");
}

/** Says of each measure whether it can help against this want of memory, and why; and which one to try first. */
export function memoryAdviceOf(numbers: OutOfMemoryNumbers, phase: Phase): MemoryAdvice {
  const measures = {
    clearCache: ofCache(numbers),
    waitForNeighbour: ofNeighbour(numbers),
    tileDecode: ofTiling(phase),
    nextProfile: ofProfile(numbers),
    reduce: ofReduction(numbers, phase),
  };
  const order: readonly MemoryMeasure[] = ["clearCache", "waitForNeighbour", "tileDecode", "reduce", "nextProfile"];
  const sure = order.find((measure) => measures[measure].helps === "yes");
  return { measures, first: sure ?? order.findLast((measure) => measures[measure].helps === "unknown") ?? null };
}

/** What a shortage of memory really is. */
export type ShortageKind = "outOfMemory" | "outOfMemoryFragmented" | "outOfVirtualSpace" | "outOfMemoryNeighbour";

/**
 * Fragmented: the allocator itself holds as much as was wanted, unused. Neighbour: others hold more than a quarter of the card
 * and more than what was wanted. Else the request does not fit beside the model.
 */
export function shortageOf(numbers: OutOfMemoryNumbers): ShortageKind {
  const { wantedBytes, reservedUnallocatedBytes } = numbers;
  if (numbers.isAddressSpace) return "outOfVirtualSpace";
  if (wantedBytes === null) return "outOfMemory";
  if (reservedUnallocatedBytes !== null && reservedUnallocatedBytes >= wantedBytes) return "outOfMemoryFragmented";
  return holdsOthers(numbers) ? "outOfMemoryNeighbour" : "outOfMemory";
}

/** The numbers of the message that made this evidence; null when none says any. */
export function shortageNumbersOf(evidence: Evidence): OutOfMemoryNumbers | null {
  const { workerFailure, message } = evidence;
  const texts = workerFailure === undefined ? [message ?? ""] : [workerFailure.message, ...workerFailure.causes];
  return texts.map(parseOutOfMemory).find((numbers) => numbers !== null) ?? null;
}
