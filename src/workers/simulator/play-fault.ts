/** Carries out the faults that test cards order, on the process, its threads and its device. */
import type { Clock } from "../../core/clock.ts";
import { gibibyte, parseBytes, secondMs } from "../../core/units.ts";
import { OutOfMemory, type SimulatedDevice } from "./device.ts";
import { contextLost } from "./failures.ts";
import type { FaultCard } from "./fault-cards.ts";
import { libraryFailure } from "./library-errors.ts";

/** Everything that a fault can be done to: the process, its threads and its device. */
export interface FaultStage {
  readonly clock: Clock;
  readonly device: SimulatedDevice;
  /** The render that the fault meets. */
  readonly signal: AbortSignal;
  /** Ends the process at once, with nothing said. */
  readonly die: (code: number) => never;
  readonly silence: () => void;
  readonly lie: () => void;
  /** Blocks this thread for good. */
  readonly block: () => void;
  readonly freezeWhenIdle: () => void;
  readonly poison: () => void;
  readonly slowDown: (factor: number) => void;
  readonly refuseNextLoad: (card: FaultCard) => void;
}

/** On a card that slows itself down a step takes so many times as long. */
const throttledFactor = 3;
/** How long another process keeps the memory that it took. */
const neighbourMs = 15 * secondMs;

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

type Play = (stage: FaultStage, card: FaultCard) => void | Promise<void>;

/** How each fault is played. `corrupt` and `black` are played where the file is written. */
const plays: { readonly [Name in FaultCard["name"]]: Play } = {
  crash: (stage, { argument }) => {
    process.kill(process.pid, (argument ?? "SIGKILL") as NodeJS.Signals);
    // A signal is delivered at a later turn of this thread.
    return untilAborted(stage.signal);
  },
  exit: (stage, { argument }) => stage.die(Number(argument)),
  hang: (stage) => stage.block(),
  freeze: (stage) => stage.freezeWhenIdle(),
  stall: (stage) => untilAborted(stage.signal),
  "lying-heartbeat": (stage) => {
    stage.lie();
    stage.block();
  },
  silent: (stage) => stage.silence(),
  oom: ({ device }) => {
    throw new OutOfMemory(device.outOfMemoryText(device.memory().freeBytes + 4 * gibibyte));
  },
  poison: (stage) => {
    stage.poison();
    throw contextLost();
  },
  leak: ({ device }, { argument }) => device.leak(parseBytes(argument ?? "") ?? 0),
  fragment: ({ device }, { argument }) => device.fragment(parseBytes(argument ?? "") ?? 0),
  throttle: ({ device, slowDown }) => {
    device.setThrottled(true);
    slowDown(throttledFactor);
  },
  neighbour: ({ device, clock }, { argument }) => {
    device.setNeighbour(parseBytes(argument ?? "") ?? 0);
    clock.setTimer(() => device.setNeighbour(0), neighbourMs);
  },
  raise: ({ poison }, { argument }) => {
    throw libraryFailure(argument ?? "", poison);
  },
  slow: (stage, { argument }) => stage.slowDown(Number(argument)),
  "refuse-load": (stage, card) => stage.refuseNextLoad(card),
  corrupt: () => undefined,
  black: () => undefined,
};

export async function playFault(stage: FaultStage, card: FaultCard): Promise<void> {
  await plays[card.name](stage, card);
}
