/**
 * One try at fetching one part of a model file. The hub may refuse, send another range, change the file or fall silent
 * half-way; what arrived before is kept and never mixed with other bytes.
 */
import type { Clock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import type { BlobTransfer } from "./blob-transfer.ts";
import { AddressExpired, type HubClient, type RangeAnswer } from "./hub-client.ts";
import { connectionError } from "./hub-refusals.ts";
import type { Part } from "./parts.ts";
import { StallTimer } from "./stall-timer.ts";

export interface FetchOptions {
  readonly hub: HubClient;
  readonly repository: string;
  readonly commit: string;
  readonly clock: Clock;
  readonly stallMs: number;
  /** Bytes are gathered up to so much before they are written. */
  readonly writeBytes: number;
}

interface Attempt {
  readonly transfer: BlobTransfer;
  readonly options: FetchOptions;
  readonly own: AbortController;
  readonly stall: StallTimer;
  readonly ended: AbortSignal;
  readonly noteProgress: () => void;
}

const passing = (sentence: string): ModelError => new ModelError("NETWORK_UNREACHABLE", sentence, { retryable: true });

/** The tag, if it is a strong one: a weak one says nothing about bytes, and If-Range must not carry it. */
const strongTag = (headers: Headers): string | null => {
  const tag = headers.get("etag");
  return tag === null || tag.startsWith("W/") ? null : tag;
};

async function openAt({ transfer, options, ended }: Attempt, part: Part): Promise<RangeAnswer> {
  const { hub, repository, commit } = options;
  const ask = (): Promise<RangeAnswer> =>
    hub.openRange(
      {
        repository,
        commit,
        path: transfer.file.path,
        fromByte: part.startByte + part.writtenBytes,
        toByte: part.endByte,
        ifRange: transfer.validator,
        address: transfer.address,
      },
      ended,
    );
  const usedAddress = transfer.address;
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof AddressExpired)) throw thrown;
    if (transfer.address === usedAddress) transfer.address = null;
    // Signed addresses expire in the course of a long download; that is no trouble worth a wait.
    return ask();
  }
}

/** The part that the answer's bytes belong to; null when the file began anew and others go on with it. */
async function partOfAnswer(attempt: Attempt, { headers, status }: Response, part: Part): Promise<Part | null> {
  const { transfer, own } = attempt;
  const { sizeBytes, path } = transfer.file;
  const tag = strongTag(headers);
  if (status === 416) return transfer.restart(null, null);
  if (status === 200) {
    const length = headers.get("content-length");
    if (length !== null && Number(length) !== sizeBytes)
      throw new ModelError("MODEL_FILE_CORRUPT", `The hub sends ${length} bytes as ${path}, and lists ${sizeBytes}.`, {
        retryable: true,
      });
    const isExpected = transfer.isOneStream && part.writtenBytes === 0;
    if (!isExpected) return transfer.restart(tag, own);
    transfer.validator = tag;
    return part;
  }
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  const isAsked = Number(from) === part.startByte + part.writtenBytes && Number(to) < part.endByte;
  if (!isAsked || (total !== "*" && Number(total) !== sizeBytes))
    throw passing(`The hub answered another range of ${path} than was asked for.`);
  if (transfer.validator !== null && tag !== null && tag !== transfer.validator) return transfer.restart(tag, null);
  transfer.validator ??= tag;
  return part;
}

/** Writes the body in pieces of `writeBytes`, one while the next arrives; what arrived before a break is written too. */
async function receive(attempt: Attempt, body: ReadableStream<Uint8Array>, part: Part): Promise<void> {
  const { transfer, options, stall, noteProgress } = attempt;
  let roomBytes = part.endByte - part.startByte - part.writtenBytes;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  let writing = Promise.resolve();
  const write = async (): Promise<void> => {
    const [chunks, byteCount] = [gathered, gatheredBytes];
    [gathered, gatheredBytes] = [[], 0];
    await writing;
    writing = transfer.write(part, chunks, byteCount);
    // Whoever writes next hears of the failure.
    writing.catch(() => undefined);
  };
  try {
    for await (const chunk of body) {
      stall.noteBytes();
      noteProgress();
      const isTooMuch = chunk.length > roomBytes;
      const bytes = isTooMuch ? chunk.subarray(0, roomBytes) : chunk;
      gathered.push(bytes);
      gatheredBytes += bytes.length;
      roomBytes -= bytes.length;
      if (gatheredBytes >= options.writeBytes) await write();
      if (isTooMuch || !transfer.holds(part)) break;
    }
  } finally {
    await write();
    await writing;
  }
}

async function run(attempt: Attempt, part: Part): Promise<Part | null> {
  const { transfer, ended, stall } = attempt;
  const { response, address } = await openAt(attempt, part);
  stall.noteBytes();
  transfer.address = address;
  const taken = await partOfAnswer(attempt, response, part);
  if (taken === null || response.body === null) {
    await response.body?.cancel();
    return null;
  }
  try {
    await receive(attempt, response.body, taken);
  } catch (thrown) {
    ended.throwIfAborted();
    throw thrown instanceof ModelError ? thrown : connectionError(thrown, "The hub");
  } finally {
    // The part that was asked for stays its taker's until no try is left.
    if (taken !== part) transfer.givePart(taken);
  }
  if (transfer.holds(taken) && taken.startByte + taken.writtenBytes < taken.endByte)
    throw passing(`The connection ended before ${transfer.file.path} was whole.`);
  return taken;
}

/**
 * Tries one part once. Returns when the part is whole, or when the file began anew (which the transfer knows). Throws
 * ModelError; a retryable one when another try may help.
 */
export async function fetchPart(
  transfer: BlobTransfer,
  part: Part,
  options: FetchOptions,
  signal: AbortSignal,
  noteProgress: () => void,
): Promise<void> {
  const own = transfer.beginAttempt();
  const stall = new StallTimer(options.clock, options.stallMs, transfer.file.path);
  const ended = AbortSignal.any([signal, own.signal, stall.signal]);
  try {
    await run({ transfer, options, own, stall, ended, noteProgress }, part);
  } catch (thrown) {
    signal.throwIfAborted();
    if (!own.signal.aborted) throw thrown;
  } finally {
    stall.stop();
    transfer.endAttempt(own);
  }
}
