/**
 * Replays the recorded writes of a service up to each barrier, and leaves away what no sync had covered: what a loss of
 * power at that moment would have left on the disk.
 */
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isLink, isSync, type SystemCall } from "./system-calls.ts";

export interface Remains {
  /** The sync that was the last one to be carried out. */
  readonly barrierAt: number;
  /** The next one had not been carried out before this place in the order. */
  readonly untilAt: number;
  /** Files that were there by name and content. */
  readonly files: ReadonlySet<string>;
}

/** Applies one write to a file's content. */
function applied(content: Buffer, { name, texts, offset }: SystemCall): Buffer {
  if (name === "ftruncate")
    return Buffer.concat([content, Buffer.alloc(Math.max(0, offset - content.length))]).subarray(0, offset);
  const text = Buffer.concat(texts);
  const grown = Buffer.alloc(Math.max(content.length, offset + text.length));
  content.copy(grown);
  text.copy(grown, offset);
  return grown;
}

/** A database of which only that is left which was synced at this barrier. */
export function writeRemains(
  snapshot: ReadonlyMap<string, Buffer>,
  calls: readonly SystemCall[],
  barrierAt: number,
  pathOf: (path: string) => string,
): void {
  for (const [path, content] of snapshot) {
    const lastSync = calls.findLast((call) => isSync(call) && call.target === path && call.endedAt <= barrierAt);
    const written = calls.filter(
      (call) =>
        (call.name === "pwrite64" || call.name === "ftruncate") &&
        call.target === path &&
        call.endedAt < (lastSync?.begunAt ?? -1),
    );
    writeFileSync(pathOf(path), written.reduce(applied, content));
  }
}

/** A name is there once its folder was synced after it was given, and its content once the file was. */
function filesAt(calls: readonly SystemCall[], barrierAt: number): Set<string> {
  const isSyncedBetween = (path: string, fromAt: number): boolean =>
    calls.some((call) => isSync(call) && call.target === path && call.begunAt > fromAt && call.endedAt <= barrierAt);
  const links = calls.filter((call) => isLink(call) && call.endedAt <= barrierAt);
  return new Set(
    links.flatMap(({ texts: [from, to], endedAt }) => {
      const [staged, name] = [String(from), String(to)];
      const folder = dirname(name);
      const isThere = isSyncedBetween(folder, endedAt) && isSyncedBetween(dirname(folder), endedAt);
      return isThere && isSyncedBetween(staged, -1) ? [name] : [];
    }),
  );
}

/** What would be left after each sync, until the next one. */
export function remainsOf(calls: readonly SystemCall[]): readonly Remains[] {
  const barriers = calls.filter(isSync);
  return barriers.map(({ endedAt }, index) => ({
    barrierAt: endedAt,
    untilAt: barriers[index + 1]?.endedAt ?? Number.POSITIVE_INFINITY,
    files: filesAt(calls, endedAt),
  }));
}
