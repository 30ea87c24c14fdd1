import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ZodError } from "zod";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import { type Card, type ProbeMessage, type ProbeOptions, probeMessageSchema, type Trouble } from "../probe/probe-protocol.ts";

export interface GpuProbeClientOptions {
  readonly clock: Clock;
  readonly probe: ProbeOptions;
  readonly onSpawn?: (pid: number) => void;
  readonly onExit?: (pid: number) => void;
  /** How long after "there is no card" it is looked again. */
  readonly absentAgainMs?: number;
}

/** The child's newest word on the cards. */
export type CardsWord =
  | { readonly kind: "nothing" }
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "cards"; readonly gpuKind: "nvidia" | "amd"; readonly cards: readonly Card[]; readonly missingCount: number }
  | { readonly kind: "trouble"; readonly gpuKind: "nvidia" | "amd"; readonly trouble: Trouble };

export interface CardsKnown {
  readonly word: CardsWord;
  readonly wordAtMs: number;
  /** Null = never. */
  readonly measuredAtMs: number | null;
}

export interface GpuProbeClient {
  /** Starts the child when there is none; waits for its first word, and for a newer one when the newest is older than asked for. */
  read(maxAgeMs?: number): Promise<CardsKnown>;
  /** Lines of the kernel's log of that time; oldest first. */
  kernelLines(fromMs: number): readonly string[];
  readonly pid: number | null;
  stop(): Promise<void>;
}

const program = fileURLToPath(new URL(`../probe/gpu-probe-child${extname(import.meta.url)}`, import.meta.url));
const absentAgainDefaultMs = 5 * minuteMs;
const kernelKeepMs = 10 * minuteMs;
const kernelKeepCount = 500;
/** A child needs about half a second on a busy host until it speaks. */
const startMs = 5 * secondMs;

/** One life of the child, seen from the supervisor. In a group of its own, so that the tool that it started ends with it. */
function startChild(probe: ProbeOptions, on: { readonly line: (line: string) => void; readonly end: () => void }): ChildProcess {
  const child = spawn(process.execPath, [program, JSON.stringify(probe)], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout }).on("line", on.line);
  child.once("error", on.end);
  child.once("exit", on.end);
  return child;
}

/** Null for a line that is none, such as the torn one of a child that was killed: its end is what counts. */
function readMessage(line: string): ProbeMessage | null {
  try {
    return probeMessageSchema.parse(JSON.parse(line));
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof ZodError) return null;
    throw thrown;
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

/**
 * Keeps `gpu-probe` running and remembers what it said and when. A child that ends is started again after a back-off; one
 * that says nothing for longer than it could have to is killed.
 */
export function createGpuProbeClient(options: GpuProbeClientOptions): GpuProbeClient {
  const { clock, probe, onSpawn, onExit, absentAgainMs = absentAgainDefaultMs } = options;
  const silenceMs = startMs + probe.backOffLongestMs + 2 * probe.answerWithinMs + 3 * probe.everyMs;
  const waiting = new Set<() => void>();
  const ended = new Set<() => void>();
  let known: CardsKnown = { word: { kind: "nothing" }, wordAtMs: clock.nowMs(), measuredAtMs: null };
  let kernel: readonly { readonly atMs: number; readonly text: string }[] = [];
  let child: ChildProcess | null = null;
  let restart: TimerHandle | undefined;
  let silence: TimerHandle | undefined;
  let backOffMs = probe.backOffFirstMs;
  let isStopped = false;

  const hear = (message: ProbeMessage): void => {
    const atMs = clock.nowMs();
    clock.clearTimer(silence);
    silence = clock.setTimer(killChild, silenceMs);
    if (message.kind === "kernel") {
      const lines = message.lines.map(({ ageMs, text }) => ({ atMs: atMs - ageMs, text }));
      kernel = [...kernel, ...lines].filter((line) => atMs - line.atMs <= kernelKeepMs).slice(-kernelKeepCount);
      return;
    }
    if (message.kind === "cards") backOffMs = probe.backOffFirstMs;
    known = { word: message, wordAtMs: atMs, measuredAtMs: message.kind === "cards" ? atMs : known.measuredAtMs };
    for (const wake of [...waiting]) wake();
  };
  const killChild = (): void => {
    if (child?.pid !== undefined) killGroup(child.pid);
  };
  const start = (): void => {
    if (isStopped || child !== null) return;
    clock.clearTimer(restart);
    restart = undefined;
    const started = startChild(probe, {
      line: (line) => {
        const message = child === started ? readMessage(line) : null;
        if (message !== null) hear(message);
      },
      end: () => end(started),
    });
    child = started;
    silence = clock.setTimer(killChild, silenceMs);
    if (started.pid !== undefined) onSpawn?.(started.pid);
  };
  const end = (over: ChildProcess): void => {
    if (child !== over) return;
    clock.clearTimer(silence);
    if (over.pid !== undefined) {
      killGroup(over.pid);
      onExit?.(over.pid);
    }
    child = null;
    for (const listener of [...ended]) listener();
    if (isStopped) return;
    const isAbsent = known.word.kind === "absent";
    restart = clock.setTimer(start, isAbsent ? absentAgainMs : backOffMs);
    if (!isAbsent) backOffMs = Math.min(backOffMs * 2, probe.backOffLongestMs);
  };
  const nextWord = (limitMs: number): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        clock.clearTimer(timer);
        waiting.delete(wake);
        resolve();
      };
      const timer = clock.setTimer(wake, limitMs);
      waiting.add(wake);
    });

  return {
    get pid() {
      return child?.pid ?? null;
    },
    read: async (maxAgeMs = Number.POSITIVE_INFINITY) => {
      if (child === null && restart === undefined) start();
      if (known.word.kind === "nothing" && child !== null) await nextWord(startMs);
      else if (child !== null && clock.nowMs() - known.wordAtMs > maxAgeMs) {
        child.stdin?.write(`${JSON.stringify({ kind: "look" })}\n`);
        await nextWord(probe.answerWithinMs);
      }
      return known;
    },
    kernelLines: (fromMs) => kernel.filter(({ atMs }) => atMs >= fromMs).map(({ text }) => text),
    stop: async () => {
      isStopped = true;
      clock.clearTimer(restart);
      for (const wake of [...waiting]) wake();
      if (child === null) return;
      const over = new Promise<void>((resolve) => ended.add(resolve));
      child.stdin?.end();
      const timer = clock.setTimer(killChild, secondMs);
      await over;
      clock.clearTimer(timer);
    },
  };
}
