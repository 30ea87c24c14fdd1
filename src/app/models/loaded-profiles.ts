/**
 * Remembers the memory mode of each worker between loads. Without it a worker that recovery has made leaner would fail
 * again at its next load.
 */
import type { LoadProfile } from "../../core/words.ts";

/** Which memory mode each worker loads with next; recovery's offload rung makes it leaner. */
export interface LoadedProfiles {
  of(workerId: string): LoadProfile;
  set(workerId: string, profile: LoadProfile): void;
}

export function createLoadedProfiles(first: LoadProfile): LoadedProfiles {
  const profiles = new Map<string, LoadProfile>();
  return {
    of: (workerId) => profiles.get(workerId) ?? first,
    set: (workerId, profile) => {
      profiles.set(workerId, profile);
    },
  };
}
