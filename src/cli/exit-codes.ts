/** What the shell is told; `--help` and docs/jobs.md list the same. */
export const exitCodes = {
  ok: 0,
  /** What was asked could not be done, or ended badly. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No service answers. */
  unreachable: 3,
  /** It works with limits: not ready, or a stand-in instead of the real thing. */
  degraded: 4,
  /** Ctrl-C, as shells number it. */
  interrupted: 130,
} as const;
