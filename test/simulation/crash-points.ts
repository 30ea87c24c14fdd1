import type { Chance } from "../../src/core/chance.ts";

/**
 * Crashes of the supervisor at any call of any port: once `arm`ed, the n-th call from then on ends the incarnation before
 * or after its effect. From that moment no call of this incarnation has an effect or an answer, as after SIGKILL.
 */
export interface CrashPoints {
  arm(callsFromNow: number): void;
  readonly hasCrashed: boolean;
  /** Every call of every method goes through here; synchronous methods pass through while alive. */
  wrap<Port extends object>(port: Port, label: string): Port;
  readonly callCount: number;
}

const never = (): Promise<never> => new Promise(() => undefined);

export function createCrashPoints(chance: Chance, onCrash: (where: string) => void): CrashPoints {
  let hasCrashed = false;
  let callsLeft = Number.POSITIVE_INFINITY;
  let callCount = 0;
  const crash = (where: string): void => {
    // Several calls may be under way: a life ends once, or two successors would share one store.
    if (hasCrashed) return;
    hasCrashed = true;
    onCrash(where);
  };
  const isPromise = (value: unknown): value is Promise<unknown> => value instanceof Promise;

  const callThrough = (target: object, method: (...args: unknown[]) => unknown, args: unknown[], where: string): unknown => {
    if (hasCrashed) return never();
    callCount += 1;
    callsLeft -= 1;
    if (callsLeft > 0) {
      const answer = method.apply(target, args);
      return isPromise(answer)
        ? answer.then(
            (value) => (hasCrashed ? never() : value),
            (thrown) => (hasCrashed ? never() : Promise.reject(thrown)),
          )
        : answer;
    }
    if (chance.next() < 0.5) {
      crash(`before ${where}`);
      return never();
    }
    const answer = method.apply(target, args);
    if (!isPromise(answer)) {
      crash(`after ${where}`);
      return answer;
    }
    return answer.then(
      () => {
        crash(`after ${where}`);
        return never();
      },
      () => {
        crash(`after failed ${where}`);
        return never();
      },
    );
  };
  return {
    arm: (callsFromNow) => {
      callsLeft = callsFromNow;
    },
    get hasCrashed() {
      return hasCrashed;
    },
    get callCount() {
      return callCount;
    },
    wrap: (port, label) =>
      new Proxy(port, {
        get: (target, key, receiver) => {
          const value: unknown = Reflect.get(target, key, receiver);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => callThrough(target, value as (...given: unknown[]) => unknown, args, `${label}.${String(key)}`);
        },
      }),
  };
}
