import { afterEach, beforeEach, expect, it } from "vitest";
import { createActor } from "xstate";
import { createRecorder, factKeys, type Recorder } from "../../../src/app/incidents/recorder.ts";
import { StoreError } from "../../../src/core/errors.ts";
import type { Store } from "../../../src/core/ports/event-log.ts";
import { createVirtualClock, type VirtualClock } from "../../../src/core/virtual-clock.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { silentLogger } from "../../harness/silent-logger.ts";

let clock: VirtualClock;
let store: Store;
let told: string[];
let heard: string[];
let lostCount: number;

beforeEach(() => {
  clock = createVirtualClock();
  store = openStore({ path: ":memory:", clock });
  told = [];
  heard = [];
  lostCount = 0;
});
afterEach(() => store.close());

/** How many rows were there when each fact was told. */
function start(over: Store = store): { send(fact: SupervisorFact): void; settled: Recorder["settled"] } {
  const metrics = { factLost: () => (lostCount += 1) };
  const recorder = createRecorder({ store: over, metrics, logger: silentLogger } as never, {
    atOnce: (fact) => heard.push(fact.type),
    written: (fact) => {
      void store.events.newestSeq().then((seq) => told.push(`${fact.type} after ${seq} rows`));
    },
  });
  const actor = createActor(recorder.actor);
  actor.start();
  return { send: (fact) => actor.send(fact), settled: recorder.settled };
}

const paused: SupervisorFact = { type: "intake.paused", pause: { isReleasing: false, by: "operator:ada", atMs: 1 } };
const resumed: SupervisorFact = { type: "intake.resumed", by: "operator:ada" };
const changed: SupervisorFact = { type: "mode.changed", from: "loading", to: "ready" };

const kinds = async (): Promise<string[]> => (await store.events.range(0, 10)).map(({ kind }) => kind);

it("writes facts in order and tells each once it is written, also over a store that takes its time", async () => {
  const slow: Store = {
    ...store,
    events: {
      ...store.events,
      append: async (rows) => {
        await clock.sleep(50);
        return store.events.append(rows);
      },
    },
  };
  const { send, settled } = start(slow);
  for (const fact of [changed, paused, changed]) send(fact);
  await clock.advance(10);
  expect([await kinds(), told]).toEqual([[], []]);
  expect(heard).toEqual(["mode.changed", "intake.paused", "mode.changed"]);
  await clock.advance(200);
  await settled();
  expect(await kinds()).toEqual(["mode.changed", "intake.paused", "mode.changed"]);
  expect(told).toEqual(["mode.changed after 1 rows", "intake.paused after 2 rows", "mode.changed after 3 rows"]);
});

it("keeps the order of a fact that is told while another one is being written", async () => {
  const { send, settled } = start();
  store.events.subscribe((rows) => {
    if (rows[0]?.kind === "mode.changed") send(paused);
  });
  send(changed);
  send(resumed);
  await settled();
  expect(await kinds()).toEqual(["mode.changed", "intake.paused", "intake.resumed"]);
});

it("is not held up by a store that cannot write: what is lost is counted, told, and followed by the next", async () => {
  const refuse = async (): Promise<never> => {
    throw new StoreError("STORE_UNAVAILABLE", "the disk is full", { retryable: true });
  };
  const { send, settled } = start({ ...store, events: { ...store.events, append: refuse } });
  send(changed);
  send(paused);
  await settled();
  await clock.turn();
  expect([await kinds(), lostCount]).toEqual([["intake.paused"], 1]);
  expect(told).toEqual(["mode.changed after 0 rows", "intake.paused after 1 rows"]);
});

it("ends pause and drain in one transaction, so that a kill keeps both or neither", async () => {
  await store.facts.write(factKeys.pause, paused.type === "intake.paused" ? paused.pause : null);
  await store.facts.write(factKeys.drain, { by: "operator:ada", atMs: 1 });
  let writeCount = 0;
  const dying: Store["facts"] = {
    read: store.facts.read,
    write: async (...args) => {
      writeCount += 1;
      if (writeCount > 1) throw new StoreError("STORE_UNAVAILABLE", "the process was killed", { retryable: true });
      return store.facts.write(...args);
    },
    writeTogether: store.facts.writeTogether,
  };
  const { send, settled } = start({ ...store, facts: dying });
  send(resumed);
  await settled();
  expect(await kinds()).toEqual(["intake.resumed"]);
  expect([await store.facts.read(factKeys.pause), await store.facts.read(factKeys.drain)]).toEqual([null, null]);
});
