/** What chaos does to the processes of a service, and in which order: a pure function of the seed. */
import { createSeededChance, drawInteger } from "../../src/core/chance.ts";
import { findMediaChild, signalProcess } from "../harness/processes.ts";
import { clock, type RunningService } from "../harness/running-service.ts";

export interface Target {
  readonly service: RunningService;
  /** How long a stopped supervisor stays stopped; longer than its lease. */
  readonly stopMs: number;
  /** Waits for the end of the supervisor in hand and starts the next one. */
  restart(): Promise<void>;
}

const worker = ({ service }: Target): number | undefined => service.worker()?.pid;
const media = ({ service }: Target): number | undefined => findMediaChild(service.pid)?.pid;
const briefMs = 1_500;

async function pause(pid: number | undefined, stopMs: number): Promise<boolean> {
  if (!signalProcess(pid, "SIGSTOP")) return false;
  await clock.sleep(stopMs);
  return signalProcess(pid, "SIGCONT");
}

async function killSupervisorWith(target: Target, others: readonly (number | undefined)[]): Promise<boolean> {
  for (const pid of others) signalProcess(pid, "SIGKILL");
  signalProcess(target.service.pid, "SIGKILL");
  await target.restart();
  return true;
}

/** Each answers false when there was no such process to strike. */
export const strikes = {
  "worker killed": async (target) => signalProcess(worker(target), "SIGKILL"),
  "media child killed": async (target) => signalProcess(media(target), "SIGKILL"),
  "supervisor killed": (target) => killSupervisorWith(target, []),
  "supervisor and worker killed": (target) => killSupervisorWith(target, [worker(target)]),
  "supervisor, worker and media child killed": (target) => killSupervisorWith(target, [worker(target), media(target)]),
  "worker stopped for good": async (target) => signalProcess(worker(target), "SIGSTOP"),
  "worker stopped for a moment": (target) => pause(worker(target), briefMs),
  "media child stopped for a moment": (target) => pause(media(target), briefMs),
  "supervisor stopped for longer than its lease": (target) => pause(target.service.pid, target.stopMs),
  "supervisor stopped, worker killed meanwhile": async (target) => {
    const pid = worker(target);
    const isStopped = signalProcess(target.service.pid, "SIGSTOP");
    await clock.sleep(briefMs);
    const isKilled = signalProcess(pid, "SIGKILL");
    signalProcess(target.service.pid, "SIGCONT");
    return isStopped && isKilled;
  },
} as const satisfies Record<string, (target: Target) => Promise<boolean>>;

type StrikeName = keyof typeof strikes;

/** How often each one comes in a deck of twenty. */
const deck: Readonly<Record<StrikeName, number>> = {
  "worker killed": 5,
  "media child killed": 2,
  "supervisor killed": 4,
  "supervisor and worker killed": 2,
  "supervisor, worker and media child killed": 1,
  "worker stopped for good": 1,
  "worker stopped for a moment": 1,
  "media child stopped for a moment": 1,
  "supervisor stopped for longer than its lease": 1,
  "supervisor stopped, worker killed meanwhile": 2,
};

export interface Plan {
  readonly name: StrikeName;
  /** The wait before it. */
  readonly waitMs: number;
}

/** Decks of twenty, each shuffled, so that every kind comes in every deck and at another moment with every seed. */
export function planStrikes(seed: number, count: number): Plan[] {
  const chance = createSeededChance(seed);
  const plan: Plan[] = [];
  while (plan.length < count) {
    const names = Object.entries(deck).flatMap(([name, times]) =>
      Array.from({ length: times }, () => name as StrikeName),
    );
    for (let last = names.length - 1; last > 0; last -= 1) {
      const other = drawInteger(chance, 0, last);
      [names[last], names[other]] = [names[other] as StrikeName, names[last] as StrikeName];
    }
    plan.push(...names.map((name) => ({ name, waitMs: drawInteger(chance, 200, 1_800) })));
  }
  return plan.slice(0, count);
}
