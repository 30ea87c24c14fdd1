import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWebhookSender, type FoundAddress, signatureOf } from "../../src/webhooks/webhook-sender.ts";
import { clock } from "../harness/running-service.ts";
import { isSigned, startReceiver, type WebhookReceiver } from "../harness/webhook-receiver.ts";

const secret = "a secret that is long enough";
const never = new AbortController().signal;
let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

interface Change {
  readonly allow?: readonly string[];
  readonly secret?: string | null;
  readonly answerMs?: number;
  readonly lookUp?: (host: string) => Promise<readonly FoundAddress[]>;
}
const senderWith = (change: Change = {}) =>
  createWebhookSender({ clock, secret, allow: ["127.0.0.1"], answerMs: 10_000, ...change });
const messageTo = (url: string) => ({ id: "job-1.7", url, body: '{"type":"job.succeeded","ä":1}' });
const at = (...addresses: string[]): FoundAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

describe("sending a webhook", () => {
  it("posts the body under its id, signed with the second in which it was sent", async () => {
    const before = Math.floor(clock.nowMs() / 1_000);
    const outcome = await senderWith().send(messageTo(`${receiver.origin}/told?by=us`), never);
    expect(outcome).toEqual({ kind: "answered", status: 204 });
    const [received] = receiver.received;
    if (received === undefined) throw new Error("nothing was received");
    expect(received).toMatchObject({ path: "/told?by=us", id: "job-1.7", text: '{"type":"job.succeeded","ä":1}' });
    expect(Number(received.timestamp)).toBeGreaterThanOrEqual(before);
    expect([
      isSigned(received, secret),
      isSigned(received, `${secret}!`),
      isSigned({ ...received, text: "{}" }, secret),
    ]).toEqual([true, false, false]);
  });

  it("is taken for ours by the receiver that docs/jobs.md shows, and by it alone while it is fresh and whole", async () => {
    const page = readFileSync(new URL("../../docs/jobs.md", import.meta.url), "utf8");
    const code = /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
    const shown = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
      isFromUnderstudy(headers: Record<string, string>, body: string, key: string): boolean;
    };
    await senderWith().send(messageTo(receiver.origin), never);
    const [{ id, timestamp, signature, text } = { id: "", timestamp: "", signature: "", text: "" }] = receiver.received;
    const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
    expect(shown.isFromUnderstudy(headers, text, secret)).toBe(true);
    expect(shown.isFromUnderstudy(headers, `${text} `, secret)).toBe(false);
    expect(shown.isFromUnderstudy({ ...headers, "webhook-id": "job-1.8" }, text, secret)).toBe(false);
    const old = String(Number(timestamp) - 3_600);
    const signed = { ...headers, "webhook-timestamp": old, "webhook-signature": signatureOf(secret, id, old, text) };
    expect(shown.isFromUnderstudy(signed, text, secret)).toBe(false);
  });

  it("follows no redirect", async () => {
    receiver.answer = 302;
    expect(await senderWith().send(messageTo(receiver.origin), never)).toEqual({ kind: "answered", status: 302 });
    expect(receiver.received.map(({ path }) => path)).toEqual(["/"]);
  });

  it("gives a receiver that does not answer so long and no longer", async () => {
    receiver.answer = "hang";
    const outcome = await senderWith({ answerMs: 100 }).send(messageTo(receiver.origin), never);
    expect(outcome).toEqual({ kind: "unanswered", problem: "The receiver did not answer within 100 ms." });
  });

  it("gives a name that is not found in time no longer either", async () => {
    const sender = senderWith({ answerMs: 100, lookUp: () => new Promise(() => undefined) });
    expect(await sender.send(messageTo("http://slow.example/"), never)).toMatchObject({ kind: "unanswered" });
  });

  it("says by which code nobody was reached, and never the path", async () => {
    await receiver.close();
    const outcome = await senderWith().send(messageTo(`${receiver.origin}/hidden-path`), never);
    expect(outcome).toEqual({ kind: "unanswered", problem: "The receiver could not be reached (ECONNREFUSED)." });
    receiver = await startReceiver();
  });

  it("is broken off with the reason of its signal", async () => {
    receiver.answer = "hang";
    const stopping = new AbortController();
    const sending = senderWith().send(messageTo(receiver.origin), stopping.signal);
    stopping.abort(new Error("the service stops"));
    await expect(sending).rejects.toThrow("the service stops");
  });
});

describe("an address that is not public", () => {
  it.each([
    "http://127.0.0.1:9/x",
    "http://2130706433/x",
    "http://0x7f.1/x",
    "http://[::1]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.7/x",
    "http://localhost:9/x",
    "http://localhost./x",
    "http://api.localhost/x",
    "ftp://example.org/x",
    "file:///etc/passwd",
    "http://user:word@example.org/x",
    "no address",
  ])("%s is refused at once and never called", async (url) => {
    const sender = senderWith({ allow: [] });
    expect(sender.problemOf(url)).toMatch(/\.$/);
    expect((await sender.send(messageTo(url), never)).kind).toBe("refused");
  });

  it("is found out behind a name, also where only one of several is not public", async () => {
    for (const found of [at("192.168.0.9"), at("93.184.216.34", "127.0.0.1"), at("fe80::1"), at()]) {
      const sender = senderWith({ allow: [], lookUp: async () => found });
      expect(sender.problemOf("https://inside.example/")).toBeNull();
      const outcome = await sender.send(messageTo("https://inside.example/"), never);
      expect(outcome.kind).toBe("refused");
      // What lies inside is nobody's business.
      expect(JSON.stringify(outcome)).not.toContain("192.168");
    }
  });

  it("may be called when the operator lists it", async () => {
    expect(senderWith({ allow: ["127.0.0.0/8"] }).problemOf(receiver.origin)).toBeNull();
    expect(senderWith({ allow: ["localhost"] }).problemOf("http://localhost:9/")).toBeNull();
  });

  it("may be called from the moment on at which the operator lists it, and no longer than it is listed", async () => {
    const settings = { clock, secret, allow: [] as string[], answerMs: 10_000 };
    const sender = createWebhookSender(settings);
    const outcomes: string[] = [];
    for (const allow of [[], ["127.0.0.1"], []]) {
      settings.allow = allow;
      expect(sender.problemOf(receiver.origin) === null).toBe(allow.length > 0);
      outcomes.push((await sender.send(messageTo(receiver.origin), never)).kind);
    }
    expect(outcomes).toEqual(["refused", "answered", "refused"]);
  });

  it("is waited for as long as the setting of the moment says", async () => {
    const settings = { clock, secret, allow: ["127.0.0.1"], answerMs: 10_000 };
    const sender = createWebhookSender(settings);
    receiver.answer = "hang";
    settings.answerMs = 100;
    expect(await sender.send(messageTo(receiver.origin), never)).toMatchObject({
      problem: "The receiver did not answer within 100 ms.",
    });
  });

  it("is not reached by a name that leads elsewhere the second time: the checked address is the one that is called", async () => {
    const answers = [at("127.0.0.1"), at("10.9.9.9")];
    let askedCount = 0;
    const lookUp = async (): Promise<readonly FoundAddress[]> => answers[Math.min(askedCount++, 1)] ?? [];
    const sender = senderWith({ lookUp });
    expect(await sender.send(messageTo(`http://turning.example:${receiver.port}/`), never)).toEqual({
      kind: "answered",
      status: 204,
    });
    expect([askedCount, receiver.received[0]?.host]).toEqual([1, `turning.example:${receiver.port}`]);
    expect((await sender.send(messageTo(`http://turning.example:${receiver.port}/`), never)).kind).toBe("refused");
    expect(receiver.received).toHaveLength(1);
  });
});

describe("without a secret", () => {
  it("nothing is sent, and a job is told so before it is taken", async () => {
    const sender = senderWith({ secret: null });
    expect(sender.problemOf("https://example.org/")).toContain("UNDERSTUDY_WEBHOOK_SECRET");
    expect(await sender.send(messageTo(receiver.origin), never)).toMatchObject({ kind: "unanswered" });
    expect(receiver.received).toEqual([]);
  });
});
