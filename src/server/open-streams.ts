/** Everything that stays open after its request was answered, so that stopping can end it cleanly. */
export interface OpenStreams {
  /** `end` says goodbye and closes; the returned function forgets it. */
  add(end: () => void): () => void;
  endAll(): void;
  readonly hasEnded: () => boolean;
  readonly count: () => number;
}

export function createOpenStreams(): OpenStreams {
  const ends = new Set<() => void>();
  let hasEnded = false;
  return {
    add: (end) => {
      ends.add(end);
      return () => ends.delete(end);
    },
    endAll: () => {
      hasEnded = true;
      for (const end of [...ends]) end();
      ends.clear();
    },
    hasEnded: () => hasEnded,
    count: () => ends.size,
  };
}
