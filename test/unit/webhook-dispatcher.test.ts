import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeededChance } from "../../src/core/chance.ts";
import { StoreError } from "../../src/core/errors.ts";
import type { WebhookOutbox } from "../../src/core/ports/webhook-outbox.ts";
import type { SendOutcome, WebhookMessage } from "../../src/core/ports/webhook-sender.ts";
import { hourMs, minuteMs, secondMs } from "../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../src/core/virtual-clock.ts";
import type { WebhookDelivery } from "../../src/core/webhook.ts";
import { WebhookDispatcher } from "../../src/jobs/webhook-dispatcher.ts";
import { openStore } from "../../src/store/open-store.ts";
import { JobStoreWorld, result } from "./job-store-world.ts";

const delivered: SendOutcome = { kind: "answered", status: 200 };
const broken: SendOutcome = { kind: "answered", status: 503 };

let clock: VirtualClock;
let world: JobStoreWorld;
let dispatcher: WebhookDispatcher;
let sent: { readonly message: WebhookMessage; readonly atMs: number }[];
let problems: string[];
let settings: { tryCount: number; retryFirstMs: number; retryLongestMs: number };
let answer: (message: WebhookMessage, signal: AbortSignal) => Promise<SendOutcome>;

function open(outbox: Partial<WebhookOutbox> = {}): void {
  const send = (message: WebhookMessage, signal: AbortSignal): Promise<SendOutcome> => {
    sent.push({ message, atMs: clock.nowMs() });
    return answer(message, signal);
  };
  const ports = {
    outbox: { ...world.store.webhooks, ...outbox },
    sender: { send },
    clock,
    chance: createSeededChance(3),
  };
  settings = { tryCount: 5, retryFirstMs: 5 * secondMs, retryLongestMs: 20 * secondMs };
  dispatcher = new WebhookDispatcher(
    ports,
    Object.assign(settings, { onProblem: (message: string) => problems.push(message) }),
  );
}

beforeEach(() => {
  clock = createVirtualClock();
  world = new JobStoreWorld(() => {
    const store = openStore({ path: ":memory:", clock });
    return { store, clock, close: () => store.close() };
  });
  world.start();
  sent = [];
  problems = [];
  answer = async () => delivered;
  open();
});
afterEach(async () => {
  await dispatcher.stop();
  await world.end();
});

/** A job that has succeeded, so that its webhook has something to be told. */
async function succeed(webhookUrl = "https://example.org/told"): Promise<string> {
  const lease = await world.claimNew({ webhookUrl });
  await world.finish(lease);
  return lease.jobId;
}
const deliveryOf = async (jobId: string): Promise<WebhookDelivery> => {
  const [delivery] = await world.store.webhooks.listOf(jobId);
  if (delivery === undefined) throw new Error("there is no delivery");
  return delivery;
};

describe("the webhook dispatcher", () => {
  it("tells once what was delivered, with the truth in it", async () => {
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(hourMs);
    dispatcher.wake();
    await clock.advance(hourMs);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.message.id).toBe(`${jobId}.${(await deliveryOf(jobId)).seq}`);
    const { prompt } = result.effective;
    expect(sent[0]?.message.body).not.toContain(prompt);
    expect(JSON.parse(sent[0]?.message.body ?? "")).toMatchObject({
      type: "job.succeeded",
      data: {
        job_id: jobId,
        state: "succeeded",
        simulated: true,
        served_by: { kind: "real", simulated: true },
        artifact: { kind: "result" },
      },
    });
    expect(await deliveryOf(jobId)).toMatchObject({ state: "delivered", tryCount: 1 });
  });

  it("waits longer after every try, up to the longest, and gives up after the last with its reason", async () => {
    answer = async () => broken;
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(hourMs);
    expect(sent.map(({ message }) => message.id)).toEqual(Array.from({ length: 5 }, () => sent[0]?.message.id));
    const waits = sent.slice(1).map(({ atMs }, index) => atMs - (sent[index]?.atMs ?? 0));
    for (const [index, about] of [5, 10, 20, 20].entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(0.8 * about * secondMs);
      expect(waits[index]).toBeLessThanOrEqual(1.2 * about * secondMs + 1);
    }
    expect(await deliveryOf(jobId)).toMatchObject({
      state: "dead",
      tryCount: 5,
      lastStatus: 503,
      lastProblem: "The receiver answered 503.",
    });
  });

  it("goes by the settings of the moment, whatever they were at the first try", async () => {
    answer = async () => broken;
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(secondMs);
    expect(sent).toHaveLength(1);
    Object.assign(settings, { tryCount: 3, retryFirstMs: minuteMs, retryLongestMs: minuteMs });
    await clock.advance(hourMs);
    expect(sent).toHaveLength(3);
    expect((sent[2]?.atMs ?? 0) - (sent[1]?.atMs ?? 0)).toBeGreaterThanOrEqual(0.8 * minuteMs);
    expect(await deliveryOf(jobId)).toMatchObject({ state: "dead", tryCount: 3 });
  });

  it("goes on after failures as soon as the receiver is well again", async () => {
    answer = async () => (sent.length < 3 ? broken : delivered);
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(minuteMs);
    expect(await deliveryOf(jobId)).toMatchObject({ state: "delivered", tryCount: 3 });
  });

  it("does not try again what is refused", async () => {
    answer = async () => ({ kind: "refused", problem: "It is not public." });
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(hourMs);
    expect(sent).toHaveLength(1);
    expect(await deliveryOf(jobId)).toMatchObject({ state: "dead", tryCount: 1, lastProblem: "It is not public." });
  });

  it("calls a redirect a failure", async () => {
    answer = async () => ({ kind: "answered", status: 302 });
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(secondMs);
    expect((await deliveryOf(jobId)).lastProblem).toBe("The receiver answered 302; redirects are not followed.");
  });

  it("lets a receiver that hangs keep nobody else waiting", async () => {
    answer = (message) => (message.url.includes("hangs") ? new Promise(() => undefined) : Promise.resolve(delivered));
    for (let index = 0; index < 12; index += 1) await succeed("https://hangs.example/");
    const other = await succeed("https://well.example/");
    dispatcher.wake();
    await clock.advance(secondMs);
    expect(sent.filter(({ message }) => message.url.includes("hangs"))).toHaveLength(2);
    expect((await deliveryOf(other)).state).toBe("delivered");
    // What hangs is given up with the dispatcher.
    answer = async () => delivered;
    open();
  });

  it("what was under way when it stopped is sent again by the next one, under the same id", async () => {
    answer = (_message, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(secondMs);
    await dispatcher.stop();
    expect(await deliveryOf(jobId)).toMatchObject({ state: "pending", tryCount: 0 });
    answer = async () => delivered;
    open();
    dispatcher.wake();
    await clock.advance(secondMs);
    expect(new Set(sent.map(({ message }) => message.id)).size).toBe(1);
    expect(await deliveryOf(jobId)).toMatchObject({ state: "delivered", tryCount: 1 });
    expect(problems).toEqual([]);
  });

  it("sends nothing in a storm while the store cannot note what was sent, and goes on when it can", async () => {
    let isDown = true;
    open({
      noteTry: async (seq, outcome) => {
        if (isDown) throw new StoreError("STORE_UNAVAILABLE", "the disk is full", { retryable: true });
        await world.store.webhooks.noteTry(seq, outcome);
      },
    });
    const jobId = await succeed();
    dispatcher.wake();
    await clock.advance(25 * secondMs);
    expect([sent.length, problems]).toEqual([1, ["the disk is full"]]);
    isDown = false;
    await clock.advance(minuteMs);
    expect([sent.length, (await deliveryOf(jobId)).state]).toEqual([2, "delivered"]);
  });
});
