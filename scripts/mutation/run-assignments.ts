/**
 * Runs the mutation assignments in child processes, a chunk at a time: a mutant may hang its process or take all of its
 * memory, and must take nothing but itself along.
 */
import { type ChildProcess, fork } from "node:child_process";
import { type Clock, createSystemClock, type TimerHandle } from "../../src/core/clock.ts";
import type { Assignment, ChunkMessage, Finding } from "../../test/mutation/assignment.ts";
import { processorMs } from "./processor-time.ts";

/**
 * A mutant in which one test takes longer than this hangs; the slowest test takes less. The limit counts the
 * processor's time, because on a busy machine every test takes long.
 */
const silenceMs = 60_000;
const lookEveryMs = 5_000;
/** Chunks are small because a process keeps every mutant's copy of the tests until it ends. */
const chunkSize = 25;

interface ChunkEnd {
  readonly findings: readonly Finding[];
  /** Assignments that were not begun when the process had to be killed. */
  readonly rest: readonly Assignment[];
}

function runChunk(
  assignments: readonly Assignment[],
  clock: Clock,
  onFinding: (finding: Finding) => void,
): Promise<ChunkEnd> {
  const findings: Finding[] = [];
  const note = (killedBy: string | null): void => {
    const mutant = assignments[findings.length]?.mutant;
    if (mutant === undefined) return;
    findings.push({ mutant, killedBy });
    onFinding({ mutant, killedBy });
  };
  const child: ChildProcess = fork(new URL("chunk.ts", import.meta.url), {
    env: { ...process.env, MUTANTS: JSON.stringify(assignments) },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    detached: true,
  });
  return new Promise((resolve, reject) => {
    let isSilent = false;
    let watch: TimerHandle | undefined;
    let heardAtMs = 0;
    const look = (): void => {
      watch = clock.setTimer(look, lookEveryMs);
      if (child.pid === undefined || processorMs(child.pid) - heardAtMs < silenceMs) return;
      isSilent = true;
      // The test process hangs in a loop and hears nothing, so the whole group is killed.
      process.kill(-child.pid, "SIGKILL");
    };
    const heard = (): void => {
      heardAtMs = child.pid === undefined ? 0 : processorMs(child.pid);
    };
    look();
    child.on("message", (message: ChunkMessage) => {
      heard();
      if (message.kind === "found") note(message.killedBy);
      if (message.kind === "broken") reject(new Error(`the proofs could not be run: ${message.message}`));
    });
    child.once("error", reject);
    child.once("close", (code) => {
      clock.clearTimer(watch);
      if (isSilent) note(`no end within ${silenceMs / 1_000} s of the processor`);
      else if (assignments[findings.length]?.mutant.operator === "nothing")
        reject(new Error(`a process ended with ${code} before anything was looked at`));
      // The mutant in hand took its process with it, for instance by using up the memory.
      else note("the end of its process");
      resolve({ findings, rest: assignments.slice(findings.length) });
    });
  });
}

/** Carries all assignments out in `jobCount` processes. Rejects when proofs cannot be run at all. */
export async function runAssignments(
  assignments: readonly Assignment[],
  jobCount: number,
  onFinding: (finding: Finding) => void,
): Promise<readonly Finding[]> {
  const clock = createSystemClock();
  const size = Math.min(chunkSize, Math.ceil(assignments.length / jobCount));
  const queue: (readonly Assignment[])[] = Array.from({ length: Math.ceil(assignments.length / size) }, (_, index) =>
    assignments.slice(index * size, (index + 1) * size),
  );
  const work = async (): Promise<readonly Finding[]> => {
    const findings: Finding[] = [];
    for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) {
      const end = await runChunk(chunk, clock, onFinding);
      findings.push(...end.findings);
      if (end.rest.length > 0) queue.push(end.rest);
    }
    return findings;
  };
  try {
    return (await Promise.all(Array.from({ length: jobCount }, work))).flat();
  } finally {
    clock.stop();
  }
}
