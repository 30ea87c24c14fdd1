/**
 * Test cards: faults that the simulator plays on request, in the prompt (`[[sim:oom@denoise:12]]`), by environment or by
 * `fault/inject`. Grammar of one card: `name[:argument][@phase[:step]][xN]`.
 *   crash[:SIGNAL]  exit:CODE  hang  stall  oom  poison  corrupt  black  slow:FACTOR  leak:SIZE  refuse-load  silent
 *   lying-heartbeat
 * A card fires once; `xN` makes it fire N times, counted over restarts and attempts of the same job.
 */
import { parseBytes } from "../../core/units.ts";
import { type Phase, phases } from "../../core/words.ts";

export const faultNames = [
  "crash",
  "exit",
  "hang",
  "stall",
  "oom",
  "poison",
  "corrupt",
  "black",
  "slow",
  "leak",
  "refuse-load",
  "silent",
  "lying-heartbeat",
] as const;
export type FaultName = (typeof faultNames)[number];

export interface FaultCard {
  /** The card's own text: its identity when firings are counted. */
  readonly text: string;
  readonly name: FaultName;
  readonly argument: string | null;
  readonly phase: Phase | null;
  readonly step: number;
  readonly count: number;
}

export type CardAnswer = { readonly kind: "card"; readonly card: FaultCard } | { readonly kind: "refused"; readonly message: string };

const shape = /^([a-z-]+)(?::([A-Za-z0-9.]+))?(?:@([a-z]+)(?::(\d{1,4}))?)?(?:x(\d{1,3}))?$/;

const isName = (name: string): name is FaultName => (faultNames as readonly string[]).includes(name);
const isPhase = (phase: string): phase is Phase => (phases as readonly string[]).includes(phase);

function problemOf(name: FaultName, argument: string | null): string | null {
  if (name === "exit" && !/^\d{1,3}$/.test(argument ?? "")) return "exit needs a code, such as exit:1";
  if (name === "slow" && !(Number(argument) > 0)) return "slow needs a factor, such as slow:10";
  if (name === "leak" && parseBytes(argument ?? "") === undefined) return "leak needs a size, such as leak:2GiB";
  if (name === "crash" && argument !== null && !/^SIG[A-Z]+$/.test(argument)) return "crash takes a signal, such as crash:SIGSEGV";
  return null;
}

export function parseFaultCard(text: string): CardAnswer {
  const match = shape.exec(text.trim());
  const [, name = "", argument = null, phase = null, step = "0", count = "1"] = match ?? [];
  if (match === null || !isName(name))
    return { kind: "refused", message: `There is no test card ${text.trim().slice(0, 60)}; there are ${faultNames.join(", ")}.` };
  if (phase !== null && !isPhase(phase)) return { kind: "refused", message: `There is no phase ${phase}; there are ${phases.join(", ")}.` };
  const problem = problemOf(name, argument);
  if (problem !== null) return { kind: "refused", message: `Test card ${text.trim()}: ${problem}.` };
  return { kind: "card", card: { text: text.trim(), name, argument, phase, step: Number(step), count: Number(count) } };
}

/** Cards in a prompt; what is not a card is left alone, because a prompt is not a place for error messages. */
export function cardsInPrompt(prompt: string): FaultCard[] {
  return [...prompt.matchAll(/\[\[sim:([^\]]{1,80})\]\]/g)].flatMap((match) => {
    const answer = parseFaultCard(match[1] ?? "");
    return answer.kind === "card" ? [answer.card] : [];
  });
}
