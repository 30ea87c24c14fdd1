/**
 * Test cards: faults that the simulator plays on request, in the prompt (`[[sim:oom@denoise:12]]`), by environment or by
 * `fault/inject`. Grammar of one card: `name[:argument][@phase[:step]][xN]`; without a phase it plays in denoise.
 *   crash[:SIGNAL]   the process ends by a signal (SIGKILL)     exit:CODE     the process ends with an exit code
 *   hang             the main thread blocks for good            stall         it turns, and the render stands still
 *   lying-heartbeat  it blocks, and the heartbeat denies it     silent        the heartbeats stop
 *   freeze           it blocks when this render has ended, with nothing in hand
 *   oom              out of memory                              poison        the device's context is lost
 *   leak:SIZE        allocated and never given back             fragment:SIZE reserved in blocks too small to be used
 *   slow:FACTOR      every further step takes so much longer    throttle      the card slows down for its heat, and says so
 *   neighbour:SIZE   another process takes memory for 15 s      raise:NAME    an error of a library, by its own words
 *   refuse-load[:NAME]  the next load fails, without weights by default, or by the error of that name
 *   corrupt          the file does not play                     black         the clip is black      (both in mux alone)
 * A card fires once; `xN` makes it fire N times. Cards of a prompt are counted over restarts and attempts of the same
 * job; cards of the environment and of `fault/inject` belong to one life of the process.
 */
import { constants } from "node:os";
import { parseBytes } from "../../core/units.ts";
import { type Phase, phases } from "../../core/words.ts";
import { libraryErrorNames } from "./library-errors.ts";

export const faultNames = [
  "crash",
  "exit",
  "hang",
  "stall",
  "lying-heartbeat",
  "freeze",
  "silent",
  "oom",
  "poison",
  "leak",
  "fragment",
  "slow",
  "throttle",
  "neighbour",
  "raise",
  "refuse-load",
  "corrupt",
  "black",
] as const;
type FaultName = (typeof faultNames)[number];

export interface FaultCard {
  /** The card's own text: its identity when firings are counted. */
  readonly text: string;
  readonly name: FaultName;
  readonly argument: string | null;
  readonly phase: Phase | null;
  readonly step: number;
  readonly count: number;
}

export type CardAnswer =
  | { readonly kind: "card"; readonly card: FaultCard }
  | { readonly kind: "refused"; readonly message: string };

const shape = /^([a-z-]+)(?::([A-Za-z0-9.-]+?))?(?:@([a-z]+)(?::(\d{1,4}))?)?(?:x(\d{1,3}))?$/;

const isName = (name: string): name is FaultName => (faultNames as readonly string[]).includes(name);
const isPhase = (phase: string): phase is Phase => (phases as readonly string[]).includes(phase);

const isLibraryError = (argument: string | null): boolean => libraryErrorNames.includes(argument ?? "");
const isSize = (argument: string | null): boolean => (parseBytes(argument ?? "") ?? 0) > 0;

/** The rule of each card's argument; a card that is not named takes none. */
const argumentRules: {
  readonly [Name in FaultName]?: readonly [isFine: (argument: string | null) => boolean, rule: string];
} = {
  crash: [
    (argument) => argument === null || Object.hasOwn(constants.signals, argument),
    "crash takes the name of a signal, such as crash:SIGSEGV",
  ],
  exit: [
    (argument) => /^\d{1,3}$/.test(argument ?? "") && Number(argument) <= 255,
    "exit needs a code up to 255, such as exit:1",
  ],
  slow: [(argument) => Number(argument) > 0, "slow needs a factor, such as slow:10"],
  leak: [isSize, "leak needs a size, such as leak:2GiB"],
  fragment: [isSize, "fragment needs a size, such as fragment:20GiB"],
  neighbour: [isSize, "neighbour needs a size, such as neighbour:30GiB"],
  raise: [isLibraryError, `raise needs one of ${libraryErrorNames.join(", ")}`],
  "refuse-load": [
    (argument) => argument === null || isLibraryError(argument),
    `refuse-load takes one of ${libraryErrorNames.join(", ")}`,
  ],
};

function problemOf(name: FaultName, argument: string | null, phase: Phase | null): string | null {
  const [isFine, rule] = argumentRules[name] ?? [(given: string | null) => given === null, `${name} takes no argument`];
  if (!isFine(argument)) return rule;
  if ((name === "corrupt" || name === "black") && phase !== null && phase !== "mux")
    return `${name} plays in mux alone`;
  return null;
}

export function parseFaultCard(text: string): CardAnswer {
  const match = shape.exec(text.trim());
  const [, name = "", argument = null, phase = null, step = "0", count = "1"] = match ?? [];
  if (match === null || !isName(name))
    return {
      kind: "refused",
      message: `There is no test card ${text.trim().slice(0, 60)}; there are ${faultNames.join(", ")}.`,
    };
  if (phase !== null && !isPhase(phase))
    return { kind: "refused", message: `There is no phase ${phase}; there are ${phases.join(", ")}.` };
  const problem = problemOf(name, argument, phase);
  if (problem !== null) return { kind: "refused", message: `Test card ${text.trim()}: ${problem}.` };
  return { kind: "card", card: { text: text.trim(), name, argument, phase, step: Number(step), count: Number(count) } };
}

/** Finds the cards in a prompt. Any other text is left alone, because a prompt is not a place for error messages. */
export function cardsInPrompt(prompt: string): FaultCard[] {
  return [...prompt.matchAll(/\[\[sim:([^\]]{1,80})\]\]/g)].flatMap((match) => {
    const answer = parseFaultCard(match[1] ?? "");
    return answer.kind === "card" ? [answer.card] : [];
  });
}
