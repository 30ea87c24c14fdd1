/** Stand in the charts for the effects that src/app provides: an effect that was forgotten says so when it is first invoked. */
import { type EventObject, fromCallback, fromPromise, type NonReducibleUnknown, type PromiseActorLogic } from "xstate";

const reasonFor = (name: string): Error => new Error(`${name} was not provided`);

/** An effect that answers once. */
export const promiseOf = <Output, Input extends NonReducibleUnknown>(name: string): PromiseActorLogic<Output, Input> =>
  fromPromise<Output, Input>(() => Promise.reject(reasonFor(name)));

/** An effect that listens and tells until it is stopped. */
export const callbackOf = <Event extends EventObject, Input extends NonReducibleUnknown>(name: string) =>
  fromCallback<Event, Input>(() => {
    throw reasonFor(name);
  });
