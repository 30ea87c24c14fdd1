/**
 * Starts a tool with a deadline, and tells a tool that was killed from one that the kernel has let go: a process stuck
 * in a driver survives SIGKILL for a while.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../../core/clock.ts";

/** `hung`: it did not end in time and was killed; `gone` resolves when the kernel has really let it go. */
export type ToolAnswer =
  | { readonly kind: "done"; readonly code: number | null; readonly signal: string | null; readonly output: string }
  | { readonly kind: "notStarted"; readonly errno: string }
  | { readonly kind: "hung"; readonly afterMs: number; readonly gone: Promise<void> };

const outputLimit = 256 * 1024;

export interface RunningTool {
  /** Complete lines of both streams, as they come. */
  onLine(listener: (line: string) => void): void;
  kill(): void;
  /** Its end, with the last lines of what it wrote. */
  readonly ended: Promise<Exclude<ToolAnswer, { kind: "hung" }>>;
}

function takeLines(process: ChildProcess, listen: (line: string) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    let rest = "";
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = `${rest}${chunk}`.slice(-outputLimit).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) listen(line);
    });
    stream?.on("end", () => {
      if (rest !== "") listen(rest);
      rest = "";
    });
  }
}

/** Starts the tool in this process's own group, so that whoever ends the group ends it too. */
export function startTool(file: string, args: readonly string[]): RunningTool {
  const process = spawn(file, [...args], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const listeners: ((line: string) => void)[] = [];
  takeLines(process, (line) => {
    lines.push(line);
    if (lines.length > 1_000) lines.shift();
    for (const listener of listeners) listener(line);
  });
  const ended = new Promise<Exclude<ToolAnswer, { kind: "hung" }>>((resolve) => {
    process.once("error", (thrown: NodeJS.ErrnoException) =>
      resolve({ kind: "notStarted", errno: thrown.code ?? thrown.message }),
    );
    process.once("close", (code, signal) => resolve({ kind: "done", code, signal, output: lines.join("\n") }));
  });
  return {
    onLine: (listener) => {
      listeners.push(listener);
    },
    kill: () => {
      process.kill("SIGKILL");
      // A grandchild may hold the pipes open: what counts is the tool's own end.
      process.once("exit", () => {
        process.stdout?.destroy();
        process.stderr?.destroy();
      });
    },
    ended,
  };
}

/** One short call. A tool that hangs inside the driver may outlive SIGKILL: the caller must wait for `gone` before the next call. */
export async function callTool(
  clock: Clock,
  file: string,
  args: readonly string[],
  limitMs: number,
  signal: AbortSignal,
): Promise<ToolAnswer> {
  const tool = startTool(file, args);
  const limit = new AbortController();
  const stop = (): void => {
    limit.abort();
    tool.kill();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([
      tool.ended,
      clock.sleep(limitMs, limit.signal).then((): ToolAnswer => {
        tool.kill();
        return { kind: "hung", afterMs: limitMs, gone: tool.ended.then(() => undefined) };
      }),
    ]);
  } finally {
    signal.removeEventListener("abort", stop);
    limit.abort();
  }
}
