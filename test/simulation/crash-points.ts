/**
 * Ends a simulated supervisor at any call of its ports. What SIGKILL does between two instructions, this does between a
 * call and its effect, again and again from the same number.
 */
import type { Chance } from "../../src/core/chance.ts";

/**
 * Crashes of one life of the supervisor at the calls of its ports, before or after their effect. From that moment no call
 * of this life has an effect or an answer, as after SIGKILL.
 */
export interface CrashPoints {
  /** Ends the life at the n-th call from now on, of any port unless the place says otherwise. */
  arm(callsFromNow: number, place?: CrashPlace): void;
  /** Ends the life now. */
  end(where: string): void;
  readonly hasCrashed: boolean;
  /** Every call of every method goes through here. */
  wrap<Port extends object>(port: Port, label: string): Port;
}

interface CrashPlace {
  /** A port (`jobs`) or one of its methods (`jobs.commit`). */
  readonly only?: string | undefined;
  /** Drawn when it is absent. */
  readonly side?: "before" | "after";
}

export interface CrashOptions {
  readonly chance: Chance;
  /** Gathers the names of all calls, so that rare ones can be armed by name. */
  readonly seenCalls: Set<string>;
  /** `where` is for instance `before jobs.commit`. */
  readonly onCrash: (where: string) => void;
}

const never = (): Promise<never> => new Promise(() => undefined);

/** They read nothing that could be gone and change nothing: a dead life may ask them. */
const pureMethods: ReadonlySet<string> = new Set(["stagingPath", "checkpointDir", "pathOf", "isGone", "stateLetter"]);

/** What the other synchronous methods answer to a dead life, without any effect. */
const emptyAnswers: Readonly<Record<string, () => unknown>> = {
  note: () => undefined,
  close: () => undefined,
  signal: () => false,
  subscribe: () => () => undefined,
  onExit: () => () => undefined,
  onNotice: () => () => undefined,
  onClose: () => () => undefined,
  read: () => new ReadableStream({ start: (controller) => controller.close() }),
};

type Call = () => unknown;

export function createCrashPoints({ chance, seenCalls, onCrash }: CrashOptions): CrashPoints {
  let hasCrashed = false;
  let callsLeft = Number.POSITIVE_INFINITY;
  let place: CrashPlace = {};
  const crash = (where: string): void => {
    // Several calls may be under way: a life ends once, or two successors would share one store.
    if (hasCrashed) return;
    hasCrashed = true;
    onCrash(where);
  };
  const isDue = (name: string): boolean => {
    const { only } = place;
    if (only !== undefined && only !== name && !name.startsWith(`${only}.`)) return false;
    callsLeft -= 1;
    return callsLeft <= 0;
  };
  const deadAnswer = (method: string, call: Call): unknown => {
    if (pureMethods.has(method)) return call();
    const empty = emptyAnswers[method];
    return empty === undefined ? never() : empty();
  };
  /** The answer of a call that outlives the life is heard by nobody. */
  const passOn = (answer: unknown): unknown =>
    answer instanceof Promise
      ? answer.then(
          (value: unknown) => (hasCrashed ? never() : value),
          (thrown: unknown) => (hasCrashed ? never() : Promise.reject(thrown)),
        )
      : answer;
  const callThrough = (method: string, name: string, call: Call): unknown => {
    if (hasCrashed) return deadAnswer(method, call);
    seenCalls.add(name);
    if (!isDue(name)) return passOn(call());
    if ((place.side ?? (chance.next() < 0.5 ? "before" : "after")) === "before") {
      crash(`before ${name}`);
      return deadAnswer(method, call);
    }
    const answer = call();
    const end = (): Promise<never> => {
      crash(`after ${name}`);
      return never();
    };
    if (answer instanceof Promise) return answer.then(end, end);
    crash(`after ${name}`);
    return answer;
  };
  return {
    arm: (callsFromNow, at = {}) => {
      callsLeft = callsFromNow;
      place = at;
    },
    end: crash,
    get hasCrashed() {
      return hasCrashed;
    },
    wrap: (port, label) =>
      new Proxy(port, {
        get: (target, key, receiver) => {
          const value: unknown = Reflect.get(target, key, receiver);
          if (typeof value !== "function") return value;
          const method = String(key);
          return (...args: unknown[]) => callThrough(method, `${label}.${method}`, () => value.apply(target, args));
        },
      }),
  };
}
