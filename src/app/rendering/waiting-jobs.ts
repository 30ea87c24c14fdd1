/** Which jobs wait for memory to be had again. A restart forgets them: each comes due by itself then. */

export interface WaitingJobs {
  add(jobId: string): void;
  /** It is tried again. */
  drop(jobId: string): void;
  count(): number;
  /** All of them, of which none waits any more. */
  take(): readonly string[];
}

export function createWaitingJobs(): WaitingJobs {
  let ids: ReadonlySet<string> = new Set();
  return {
    add: (jobId) => {
      ids = new Set([...ids, jobId]);
    },
    drop: (jobId) => {
      ids = new Set([...ids].filter((id) => id !== jobId));
    },
    count: () => ids.size,
    take: () => {
      const taken = [...ids];
      ids = new Set();
      return taken;
    },
  };
}
