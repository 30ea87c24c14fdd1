/**
 * A large file as parts that connections fetch side by side, and the manifest by which the next pull goes on after a
 * kill.
 */
import { z } from "zod";

/** A stretch of a file that one connection fetches from front to back. */
export interface Part {
  readonly startByte: number;
  /** The end of the part, exclusive. */
  readonly endByte: number;
  writtenBytes: number;
}

export const isWhole = (part: Part): boolean => part.startByte + part.writtenBytes === part.endByte;

export function cutIntoParts(sizeBytes: number, partBytes: number): Part[] {
  const count = Math.max(1, Math.ceil(sizeBytes / partBytes));
  return Array.from({ length: count }, (_, index) => ({
    startByte: index * partBytes,
    endByte: Math.min((index + 1) * partBytes, sizeBytes),
    writtenBytes: 0,
  }));
}

export const writtenBytesOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, part) => sum + part.writtenBytes, 0);

/** How many bytes are there from the file's beginning without a gap. */
export function frontierOf(parts: readonly Part[]): number {
  const open = parts.find((part) => !isWhole(part));
  return open === undefined ? (parts.at(-1)?.endByte ?? 0) : open.startByte + open.writtenBytes;
}

/** How long the file must be to hold all that was written. */
export const reachOf = (parts: readonly Part[]): number =>
  Math.max(0, ...parts.filter((part) => part.writtenBytes > 0).map((part) => part.startByte + part.writtenBytes));

const wholeNumber = z.int().min(0);
const manifestSchema = z.object({
  version: z.literal(1),
  sizeBytes: wholeNumber,
  validator: z.string().nullable(),
  /** Each part is written as its start, its end and the count of its written bytes. */
  parts: z.array(z.tuple([wholeNumber, wholeNumber, wholeNumber])).min(1),
});

export interface Manifest {
  readonly sizeBytes: number;
  /** The ETag under which the bytes came; other bytes are not put beside them. */
  readonly validator: string | null;
  readonly parts: readonly Part[];
}

export function manifestText({ sizeBytes, validator, parts }: Manifest): string {
  return JSON.stringify({
    version: 1,
    sizeBytes,
    validator,
    parts: parts.map(({ startByte, endByte, writtenBytes }) => [startByte, endByte, writtenBytes]),
  });
}

function covers(parts: readonly Part[], sizeBytes: number): boolean {
  const ends = parts.map(({ endByte }) => endByte);
  const startsWhereTheLastEnded = parts.every(
    ({ startByte }, index) => startByte === (index === 0 ? 0 : ends[index - 1]),
  );
  return (
    startsWhereTheLastEnded &&
    ends.at(-1) === sizeBytes &&
    parts.every((part) => part.startByte + part.writtenBytes <= part.endByte)
  );
}

/**
 * Reads a manifest; null for a text that is torn, foreign, or about a file of another size: then the file is fetched
 * from its beginning.
 */
export function parseManifest(text: string, sizeBytes: number): Manifest | null {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
  const parsed = manifestSchema.safeParse(tree);
  if (!parsed.success || parsed.data.sizeBytes !== sizeBytes) return null;
  const parts = parsed.data.parts.map(([startByte, endByte, writtenBytes]) => ({ startByte, endByte, writtenBytes }));
  return covers(parts, sizeBytes) ? { sizeBytes, validator: parsed.data.validator, parts } : null;
}
