/** The drills that there are: the fault of each, and what owners of jobs must see, how soon. */
import type { StageLimits } from "../../core/drill.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { Phase } from "../../core/words.ts";
import type { ExpectationName } from "./expectations.ts";

/** What a drill does to the running service. */
export type DrillFault =
  /**
   * The worker's process gets the signal in the middle of a render, and again, `times` in all: `afterRestart` as soon as
   * it renders again in its next process, `afterRepair` in another job, when the service is sound again.
   */
  | {
      readonly kind: "signal";
      readonly signal: "SIGKILL" | "SIGSTOP" | "SIGTERM";
      readonly times: number;
      readonly again: "atOnce" | "inRender" | "afterRepair";
    }
  /** A test card in the job's prompt, played by simulated workers only. */
  | { readonly kind: "card"; readonly card: string; readonly phase: Phase }
  /** A test card that shows at a load; the drill asks for the load. */
  | { readonly kind: "loadCard"; readonly card: string }
  /** A test card that meets whatever these workers render next, whose job it is. */
  | { readonly kind: "workerCard"; readonly card: string; readonly phase: Phase }
  /** The service is made to see a full disk, or no telemetry, for so long. */
  | { readonly kind: "blind"; readonly what: "disk" | "telemetry"; readonly forMs: number };

export interface Drill {
  readonly name: string;
  readonly description: string;
  readonly fault: DrillFault;
  readonly limits: StageLimits;
  /** What it shows beside its stages. */
  readonly shows?: readonly ExpectationName[];
  /** Healthy jobs of somebody else: one right behind the drill's own, and more of them one after the other. */
  readonly bystanderCount?: number;
  /** So many workers must be connected. */
  readonly workerCount?: number;
  /** The service is told nothing of the drill: it has to judge what happens as if it came from outside. */
  readonly isSecret?: boolean;
}

/** Everybody gets the video when all is well again, and nobody waits longer than for that. */
const within = (toldMs: number | null, watchableMs: number, recoveredMs: number): StageLimits => ({
  ...(toldMs === null ? {} : { told: toldMs }),
  watchable: watchableMs,
  delivered: recoveredMs,
  recovered: recoveredMs,
  bystander: recoveredMs,
});

/** A stand-in comes two seconds after the trouble (`standIn.after`), and has to be drawn. */
const standard = within(5 * secondMs, 20 * secondMs, 2 * minuteMs);
const repeated = within(5 * secondMs, 20 * secondMs, 4 * minuteMs);
/** A silent worker is believed dead after 10 s (`supervision.silence`). */
const silent = within(15 * secondMs, 30 * secondMs, 2 * minuteMs);
/** A stall is noticed after a minute at the least: the limit is 4 × p95 of the machine's own steps, but never less. */
const stalled = within(75 * secondMs, 90 * secondMs, 3 * minuteMs);
/** The fault costs time and nothing else: there is nothing that an owner has to be told. */
const harmless = within(null, 2 * minuteMs, 2 * minuteMs);
/** A job that cannot be rendered gets no video; what counts is that nobody else notices. */
const ownFault: StageLimits = { told: 5 * secondMs, recovered: 2 * minuteMs, bystander: 10 * secondMs };

const card = (name: string, description: string, text: string, phase: Phase, limits = standard): Drill => ({
  name,
  description,
  fault: { kind: "card", card: text, phase },
  limits,
});

const badRequest = card(
  "bad-request",
  "One job fails on every worker by its own nature; healthy ones are right behind it.",
  "raise:tensor-size@denoise:3x99",
  "denoise",
  ownFault,
);
const ownFaultShows = ["ownFaultEndsIt", "neverStandsIn", "nothingRepaired"] as const;

export const drills: readonly Drill[] = [
  {
    name: "kill",
    description: "The worker's process is killed in the middle of a render.",
    fault: { kind: "signal", signal: "SIGKILL", times: 1, again: "atOnce" },
    limits: standard,
  },
  {
    name: "repeated-crash",
    description: "The worker is killed three times in a row, each time as soon as it is back.",
    fault: { kind: "signal", signal: "SIGKILL", times: 3, again: "atOnce" },
    limits: repeated,
  },
  {
    name: "stop",
    description: "The worker's process is stopped (SIGSTOP) in the middle of a render.",
    fault: { kind: "signal", signal: "SIGSTOP", times: 1, again: "atOnce" },
    limits: silent,
  },
  {
    name: "ended-from-outside",
    description: "Somebody else ends the worker (SIGTERM) three times during one job; nobody's render did that.",
    fault: { kind: "signal", signal: "SIGTERM", times: 3, again: "inRender" },
    limits: repeated,
    shows: ["nobodyCharged"],
    isSecret: true,
  },
  {
    name: "flapping",
    description:
      "The worker is repaired and ends again, three times; then it gets no jobs until its test render passed.",
    fault: { kind: "signal", signal: "SIGKILL", times: 3, again: "afterRepair" },
    limits: within(5 * secondMs, 20 * secondMs, 6 * minuteMs),
    shows: ["breakerOpens", "breakerCloses"],
  },
  { ...badRequest, shows: ownFaultShows, bystanderCount: 4 },
  {
    ...badRequest,
    name: "bad-request-two-workers",
    description: "The same with two workers: the bad job may go to both, and stops neither.",
    shows: ownFaultShows,
    bystanderCount: 6,
    workerCount: 2,
  },
  card("hang", "The worker's main thread hangs while its heartbeat goes on.", "hang@denoise", "denoise", stalled),
  card("stall", "The render makes no progress any more.", "stall@denoise", "denoise", stalled),
  card("out-of-memory-encode", "The card is full while the prompt is read.", "oom@encode", "encode"),
  card("out-of-memory-denoise", "The card is full in the middle of the denoising.", "oom@denoise", "denoise"),
  card("out-of-memory-decode", "The card is full while latents become frames.", "oom@decode", "decode"),
  {
    name: "out-of-memory-passing",
    description: "The card is full in the next three renders, whose ever they are; then it is as before.",
    fault: { kind: "workerCard", card: "oom@denoise:3x3", phase: "denoise" },
    limits: within(5 * secondMs, 20 * secondMs, 4 * minuteMs),
    bystanderCount: 2,
  },
  {
    ...card(
      "memory-sick",
      "One job finds the card full at every try; others of its size have nothing to do with that.",
      "oom@denoise:3x20",
      "denoise",
    ),
    limits: { told: 5 * secondMs, recovered: 8 * minuteMs, bystander: 30 * secondMs },
    shows: ["ownFaultEndsIt", "memoryModeReturns"],
    bystanderCount: 4,
    isSecret: true,
  },
  card("poisoned-context", "The device context becomes unusable.", "poison@denoise", "denoise"),
  card("corrupt-output", "The finished file is no video.", "corrupt", "mux"),
  {
    name: "corrupt-model",
    description: "The model cannot be loaded again, and again.",
    // Loads are refused until the loader has given up and the first repair has been tried.
    fault: { kind: "loadCard", card: "refuse-loadx4" },
    limits: silent,
  },
  card("slow-worker", "Every step takes four times as long.", "slow:4@denoise", "denoise", harmless),
  card("leak", "The worker keeps memory of a finished job.", "leak:2GiB@denoise", "denoise", harmless),
  {
    name: "disk-full",
    description: "The state directory's disk has no room for a while.",
    fault: { kind: "blind", what: "disk", forMs: 15 * secondMs },
    // Without room no stand-in can be kept: there is something to watch when there is room.
    limits: within(10 * secondMs, minuteMs, 2 * minuteMs),
  },
  {
    name: "telemetry-lost",
    description: "Host and card cannot be measured for a while.",
    fault: { kind: "blind", what: "telemetry", forMs: 30 * secondMs },
    // No job suffers from this one: the video comes as it always does.
    limits: within(30 * secondMs, minuteMs, 2 * minuteMs),
  },
];

export const findDrill = (name: string): Drill | null => drills.find((drill) => drill.name === name) ?? null;
