/** The drills that there are: the fault of each, and how soon it must be noticed, answered and repaired. */
import type { DrillTargets } from "../../core/drill.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { Phase } from "../../core/words.ts";

/** What a drill does to the running service. */
type DrillFault =
  /** The worker's process gets the signal, and again each time it has come back: `times` in all. */
  | { readonly kind: "signal"; readonly signal: "SIGKILL" | "SIGSTOP"; readonly times: number }
  /** A test card, played by simulated workers only. */
  | { readonly kind: "card"; readonly card: string; readonly phase: Phase }
  /** A test card that shows at a load; the drill asks for the load. */
  | { readonly kind: "loadCard"; readonly card: string }
  /** The service is made to see a full disk, or no telemetry, for so long. */
  | { readonly kind: "blind"; readonly what: "disk" | "telemetry"; readonly forMs: number };

export interface Drill {
  readonly name: string;
  readonly description: string;
  readonly fault: DrillFault;
  readonly targets: DrillTargets;
  /** Why nothing has to be detected: the fault costs time and nothing else. */
  readonly isHarmless?: boolean;
}

const standard: DrillTargets = { detectedMs: 5 * secondMs, answeredMs: 5 * secondMs, recoveredMs: 2 * minuteMs };
/** A silent worker is believed dead after 10 s (`supervision.silence`). */
const silent: DrillTargets = { detectedMs: 15 * secondMs, answeredMs: 20 * secondMs, recoveredMs: 2 * minuteMs };
/** A stall is noticed after a minute at the least: the limit is 4 × p95 of the machine's own steps, but never less. */
const stalled: DrillTargets = { detectedMs: 75 * secondMs, answeredMs: 80 * secondMs, recoveredMs: 3 * minuteMs };

const card = (name: string, description: string, text: string, phase: Phase, targets = standard): Drill => ({
  name,
  description,
  fault: { kind: "card", card: text, phase },
  targets,
});

export const drills: readonly Drill[] = [
  {
    name: "kill",
    description: "The worker's process is killed in the middle of a render.",
    fault: { kind: "signal", signal: "SIGKILL", times: 1 },
    targets: standard,
  },
  {
    name: "repeated-crash",
    description: "The worker is killed three times in a row, each time as soon as it is back.",
    fault: { kind: "signal", signal: "SIGKILL", times: 3 },
    targets: { ...standard, recoveredMs: 4 * minuteMs },
  },
  {
    name: "stop",
    description: "The worker's process is stopped (SIGSTOP) in the middle of a render.",
    fault: { kind: "signal", signal: "SIGSTOP", times: 1 },
    targets: silent,
  },
  card("hang", "The worker's main thread hangs while its heartbeat goes on.", "hang@denoise", "denoise", stalled),
  card("stall", "The render makes no progress any more.", "stall@denoise", "denoise", stalled),
  card("out-of-memory-encode", "The card is full while the prompt is read.", "oom@encode", "encode"),
  card("out-of-memory-denoise", "The card is full in the middle of the denoising.", "oom@denoise", "denoise"),
  card("out-of-memory-decode", "The card is full while latents become frames.", "oom@decode", "decode"),
  card("poisoned-context", "The device context becomes unusable.", "poison@denoise", "denoise"),
  card("corrupt-output", "The finished file is no video.", "corrupt", "mux"),
  {
    name: "corrupt-model",
    description: "The model cannot be loaded again, and again.",
    // Loads are refused until the loader has given up and the first repair has been tried.
    fault: { kind: "loadCard", card: "refuse-loadx4" },
    targets: { ...standard, detectedMs: 15 * secondMs, answeredMs: 20 * secondMs },
  },
  {
    ...card("slow-worker", "Every step takes four times as long.", "slow:4@denoise", "denoise"),
    isHarmless: true,
  },
  {
    ...card("leak", "The worker keeps memory of a finished job.", "leak:2GiB@denoise", "denoise"),
    isHarmless: true,
  },
  {
    name: "disk-full",
    description: "The state directory's disk has no room for a while.",
    fault: { kind: "blind", what: "disk", forMs: 15 * secondMs },
    targets: { ...standard, detectedMs: 10 * secondMs, answeredMs: 20 * secondMs },
  },
  {
    name: "telemetry-lost",
    description: "Host and card cannot be measured for a while.",
    fault: { kind: "blind", what: "telemetry", forMs: 30 * secondMs },
    // An answer counts from when the fault is known, and no job suffers from this one.
    targets: { ...standard, detectedMs: 30 * secondMs, answeredMs: 30 * secondMs },
  },
];

export const findDrill = (name: string): Drill | null => drills.find((drill) => drill.name === name) ?? null;
