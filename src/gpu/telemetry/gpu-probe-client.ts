/**
 * The supervisor's side of the telemetry child: starts it, hears it, and kills it when it falls silent. A driver that
 * hangs hangs the child, and the service goes on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ZodError } from "zod";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import {
  type Card,
  type ProbeMessage,
  type ProbeOptions,
  probeMessageSchema,
  type Trouble,
} from "../probe/probe-protocol.ts";

export interface GpuProbeClientOptions {
  readonly clock: Clock;
  readonly probe: ProbeOptions;
  readonly onSpawn?: (pid: number) => void;
  readonly onExit?: (pid: number) => void;
  /** After this time a machine without a card is looked at again. */
  readonly absentAgainMs?: number;
}

/** The child's newest word on the cards. */
type CardsWord =
  | { readonly kind: "nothing" }
  | { readonly kind: "absent"; readonly reason: string }
  | {
      readonly kind: "cards";
      readonly gpuKind: "nvidia" | "amd";
      readonly cards: readonly Card[];
      readonly missingCount: number;
    }
  | { readonly kind: "trouble"; readonly gpuKind: "nvidia" | "amd"; readonly trouble: Trouble };

export interface CardsKnown {
  readonly word: CardsWord;
  readonly wordAtMs: number;
  /** The time of the last measurement; null means never. */
  readonly measuredAtMs: number | null;
}

const program = fileURLToPath(new URL(`../probe/gpu-probe-child${extname(import.meta.url)}`, import.meta.url));
const absentAgainDefaultMs = 5 * minuteMs;
const kernelKeepMs = 10 * minuteMs;
const kernelKeepCount = 500;
/** A child needs about half a second on a busy host until it speaks. */
const startMs = 5 * secondMs;

/** Starts one life of the child, in a group of its own, so that the tool that it starts ends with it. */
function startChild(
  probe: ProbeOptions,
  on: { readonly line: (line: string) => void; readonly end: () => void },
): ChildProcess {
  const child = spawn(process.execPath, [program, JSON.stringify(probe)], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout }).on("line", on.line);
  child.once("error", on.end);
  child.once("exit", on.end);
  return child;
}

/** Reads a message; null for a torn line, such as the last one of a child that was killed: its end is what counts. */
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

function wakeAll(waiting: ReadonlySet<() => void>): void {
  for (const wake of [...waiting]) wake();
}

/**
 * Keeps `gpu-probe` running and remembers what it said and when. A child that ends is started again after a back-off; one
 * that says nothing for longer than it could have to is killed.
 */
export class GpuProbeClient {
  readonly #options: GpuProbeClientOptions;
  readonly #silenceMs: number;
  readonly #forWord = new Set<() => void>();
  readonly #forLook = new Set<() => void>();
  #known: CardsKnown;
  #kernel: readonly { readonly atMs: number; readonly text: string }[] = [];
  #child: ChildProcess | null = null;
  #restart: TimerHandle | undefined;
  #silence: TimerHandle | undefined;
  #backOffMs: number;
  #isStopped = false;

  constructor(options: GpuProbeClientOptions) {
    const { everyMs, answerWithinMs, backOffFirstMs, backOffLongestMs } = options.probe;
    this.#options = options;
    this.#silenceMs = startMs + backOffLongestMs + 2 * answerWithinMs + 3 * everyMs;
    this.#backOffMs = backOffFirstMs;
    this.#known = { word: { kind: "nothing" }, wordAtMs: options.clock.nowMs(), measuredAtMs: null };
  }

  /** Null while no child lives. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Starts the child when there is none; waits for its first word, and for a newer one when the newest is as old as asked for
   * or older. Where that one does not come in time nothing is known: what was measured before is no evidence of what is now.
   */
  async read(maxAgeMs = Number.POSITIVE_INFINITY): Promise<CardsKnown> {
    const { clock, probe } = this.#options;
    if (this.#child === null && this.#restart === undefined) this.#start();
    const child = this.#child;
    if (child === null) return this.#known;
    if (this.#known.word.kind === "nothing") await this.#wait(this.#forWord, startMs);
    else if (clock.nowMs() - this.#known.wordAtMs >= maxAgeMs) {
      const heardBefore = this.#known;
      child.stdin?.write(`${JSON.stringify({ kind: "look" })}\n`);
      await this.#wait(this.#forLook, probe.answerWithinMs);
      if (this.#known === heardBefore) return { ...heardBefore, word: { kind: "nothing" } };
    }
    return this.#known;
  }

  /** Lines of the kernel's log since that moment, oldest first. */
  kernelLines(fromMs: number): readonly string[] {
    return this.#kernel.filter(({ atMs }) => atMs >= fromMs).map(({ text }) => text);
  }

  async stop(): Promise<void> {
    const { clock } = this.#options;
    const child = this.#child;
    this.#isStopped = true;
    clock.clearTimer(this.#restart);
    this.#wakeEverybody();
    if (child?.pid === undefined) return;
    child.stdin?.end();
    const timer = clock.setTimer(() => this.#kill(), secondMs);
    await once(child, "exit");
    clock.clearTimer(timer);
  }

  #start(): void {
    const { clock, probe, onSpawn } = this.#options;
    if (this.#isStopped) return;
    this.#restart = undefined;
    const child = startChild(probe, {
      line: (line) => {
        const message = this.#child === child ? readMessage(line) : null;
        if (message !== null) this.#hear(message);
      },
      end: () => this.#end(child),
    });
    this.#child = child;
    this.#silence = clock.setTimer(() => this.#kill(), this.#silenceMs);
    if (child.pid !== undefined) onSpawn?.(child.pid);
  }

  #hear(message: ProbeMessage): void {
    const { clock, probe } = this.#options;
    const atMs = clock.nowMs();
    clock.clearTimer(this.#silence);
    this.#silence = clock.setTimer(() => this.#kill(), this.#silenceMs);
    if (message.kind === "kernel") {
      const lines = message.lines.map(({ ageMs, text }) => ({ atMs: atMs - ageMs, text }));
      this.#kernel = [...this.#kernel, ...lines]
        .filter((line) => atMs - line.atMs <= kernelKeepMs)
        .slice(-kernelKeepCount);
      return;
    }
    if (message.kind === "looked") {
      wakeAll(this.#forLook);
      return;
    }
    if (message.kind === "cards") this.#backOffMs = probe.backOffFirstMs;
    this.#known = {
      word: message,
      wordAtMs: atMs,
      measuredAtMs: message.kind === "cards" ? atMs : this.#known.measuredAtMs,
    };
    wakeAll(this.#forWord);
  }

  #end(child: ChildProcess): void {
    const { clock, probe, onExit, absentAgainMs = absentAgainDefaultMs } = this.#options;
    if (this.#child !== child) return;
    this.#child = null;
    clock.clearTimer(this.#silence);
    if (child.pid !== undefined) {
      killGroup(child.pid);
      onExit?.(child.pid);
    }
    this.#wakeEverybody();
    if (this.#isStopped) return;
    const isAbsent = this.#known.word.kind === "absent";
    this.#restart = clock.setTimer(() => this.#start(), isAbsent ? absentAgainMs : this.#backOffMs);
    if (!isAbsent) this.#backOffMs = Math.min(this.#backOffMs * 2, probe.backOffLongestMs);
  }

  #kill(): void {
    if (this.#child?.pid !== undefined) killGroup(this.#child.pid);
  }

  #wakeEverybody(): void {
    wakeAll(this.#forWord);
    wakeAll(this.#forLook);
  }

  #wait(waiting: Set<() => void>, limitMs: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const wake = (): void => {
        clock.clearTimer(timer);
        waiting.delete(wake);
        resolve();
      };
      const timer = clock.setTimer(wake, limitMs);
      waiting.add(wake);
    });
  }
}
