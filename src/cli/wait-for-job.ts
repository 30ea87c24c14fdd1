/**
 * Waits for one job on behalf of `understudy jobs`: the waiting outlives a restart of the service, because the job does
 * too.
 */
import type { Config } from "../config/schema.ts";
import { type JobDetail, jobDetailSchema } from "../contract/jobs-wire.ts";
import { createSystemClock } from "../core/clock.ts";
import { UnderstudyError } from "../core/errors.ts";
import { minuteMs } from "../core/units.ts";
import { endedJobStates } from "../core/words.ts";
import { exitCodes } from "./exit-codes.ts";
import { createJobLines, jobBar } from "./job-progress.ts";
import { askService, refusalOf } from "./running-service.ts";

const lookEveryMs = 500;
/** A service that was stopped is waited for this long: its next start finds the job on its disk. */
const absenceLimitMs = 2 * minuteMs;

export type Waited =
  | { readonly kind: "ended"; readonly job: JobDetail }
  | { readonly kind: "interrupted" }
  | { readonly kind: "gone"; readonly message: string; readonly exitCode: number };

/**
 * Shows a bar that is redrawn on a terminal, and lines elsewhere; on stderr, so that stdout stays for what was asked.
 */
function createDisplay(): { show: (job: JobDetail) => void; note: (text: string) => void; end: () => void } {
  const { stderr } = process;
  const lineOf = createJobLines();
  let isDrawn = false;
  const end = (): void => {
    if (isDrawn) stderr.write("\r\x1b[K");
    isDrawn = false;
  };
  return {
    end,
    note: (text) => {
      end();
      stderr.write(`${text}\n`);
    },
    show: (job) => {
      const line = stderr.isTTY ? null : lineOf(job);
      if (stderr.isTTY) stderr.write(`\r\x1b[K${jobBar(job, stderr.columns - 1)}`);
      else if (line !== null) stderr.write(`${line}\n`);
      isDrawn = stderr.isTTY;
    },
  };
}

type Look = { readonly job: JobDetail } | { readonly refusal: string } | { readonly absence: string };

async function look(config: Config, id: string): Promise<Look> {
  try {
    const answer = await askService(config, "GET", `/api/v1/jobs/${encodeURIComponent(id)}`);
    return answer.isOk ? { job: jobDetailSchema.parse(answer.body) } : { refusal: refusalOf(answer) };
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError && thrown.code === "SERVICE_UNREACHABLE")) throw thrown;
    return { absence: thrown.message };
  }
}

/** Looks until the job has ended. Ctrl-C ends the waiting alone: the job is the service's, and goes on. */
export async function waitForJob(config: Config, id: string): Promise<Waited> {
  const clock = createSystemClock();
  const display = createDisplay();
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt);
  let absentSinceMs: number | null = null;
  try {
    while (!interrupted.signal.aborted) {
      const seen = await look(config, id);
      if ("refusal" in seen) return { kind: "gone", message: seen.refusal, exitCode: exitCodes.failed };
      if ("absence" in seen) {
        if (absentSinceMs === null) display.note(`${seen.absence} The job is on its disk; waiting for its next start.`);
        absentSinceMs ??= clock.nowMs();
        if (clock.nowMs() - absentSinceMs > absenceLimitMs)
          return { kind: "gone", message: seen.absence, exitCode: exitCodes.unreachable };
      } else {
        absentSinceMs = null;
        display.show(seen.job);
        if (endedJobStates.includes(seen.job.state)) return { kind: "ended", job: seen.job };
      }
      await clock.sleep(lookEveryMs, interrupted.signal).catch((reason: unknown) => {
        if (!interrupted.signal.aborted) throw reason;
      });
    }
    return { kind: "interrupted" };
  } finally {
    display.end();
    process.off("SIGINT", interrupt);
    clock.stop();
  }
}
