/** The exit codes of every command; `--help` and docs/jobs.md list the same. */
export const exitCodes = {
  ok: 0,
  /** The order could not be carried out, or ended badly. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No service answers. */
  unreachable: 3,
  /** The service works with limits: it is not ready, or it gave a stand-in instead of the real thing. */
  degraded: 4,
  /** The person pressed Ctrl-C; shells give it this number. */
  interrupted: 130,
} as const;
