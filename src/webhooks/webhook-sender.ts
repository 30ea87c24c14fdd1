/**
 * Sends one webhook. Whoever submits a job chooses its address, so every name is looked up and checked first: no job
 * may make the service call into the network behind it.
 */
import { createHmac } from "node:crypto";
import { lookup as lookUpName } from "node:dns/promises";
import { type ClientRequest, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "../core/clock.ts";
import type { SendOutcome, WebhookMessage, WebhookSender } from "../core/ports/webhook-sender.ts";
import { secondMs } from "../core/units.ts";
import { type AddressRules, createAddressRules } from "./address-rules.ts";

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** The key to sign with; null means that nothing can be signed, so nothing is sent. */
  readonly secret: string | null;
  /** Names, addresses and networks that may be called although they are not public. */
  readonly allow: readonly string[];
  /** The time for looking the name up, connecting and the answer together. */
  readonly answerMs: number;
  readonly lookUp?: (host: string) => Promise<readonly FoundAddress[]>;
}

const noSecret = "This service has no secret to sign webhooks with; an operator sets UNDERSTUDY_WEBHOOK_SECRET.";

/** Takes the brackets away, so `[::1]` is `::1`; a last dot names the same host. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
const isLocalName = (host: string): boolean => host === "localhost" || host.endsWith(".localhost");
/** The sentence does not say where a name leads inside: that is nothing to tell those who submit jobs. */
const refusal = (host: string): string =>
  `${host} is no public address, or leads to one that is not; an operator may list it in webhook.allow.`;

/** Signs in the Standard Webhooks form: `v1,` and the base64 of HMAC-SHA256 over id, second and body. */
export function signatureOf(secret: string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

function readTarget(text: string): URL | string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    return "A webhook must be an http or https address.";
  return url.username === "" && url.password === ""
    ? url
    : "A webhook's address must hold no user name and no password.";
}

/** Whether an address is refused as it is written, without looking the name up. */
const isRefusedAsWritten = (host: string, rules: AddressRules): boolean =>
  isIP(host) === 0 ? isLocalName(host) && !rules.lists(host) : !rules.mayCall(host, host);

/** Finds an address that may be connected to, or says why none may: one that is refused refuses the name. */
async function findAddress(
  url: URL,
  rules: AddressRules,
  lookUp: NonNullable<WebhookSenderOptions["lookUp"]>,
): Promise<FoundAddress | string> {
  const host = hostOf(url);
  if (isRefusedAsWritten(host, rules)) return refusal(host);
  const literal = isIP(host);
  const found = literal === 0 ? await lookUp(host) : [{ address: host, family: literal }];
  const [first] = found;
  return first !== undefined && found.every(({ address }) => rules.mayCall(host, address)) ? first : refusal(host);
}

/** Says what went wrong by its code, because messages may hold the address. */
const codeOf = (thrown: unknown): string => String((thrown as { readonly code?: unknown }).code ?? "unknown");

interface Call {
  readonly url: URL;
  readonly target: FoundAddress;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Connects to the address that was checked: the name is not looked up again, so that it cannot lead elsewhere meanwhile. */
function openRequest({ url, target, headers }: Call): ClientRequest {
  const answerChecked: LookupFunction = (_host, options, done) =>
    options.all === true ? done(null, [{ ...target }]) : done(null, target.address, target.family);
  const open = url.protocol === "https:" ? requestSecure : requestPlain;
  return open(url, { method: "POST", headers, agent: false, lookup: answerChecked });
}

/** Resolves with the status of the answer; its body is not read. */
function call(request: ClientRequest, body: string): Promise<SendOutcome> {
  return new Promise((resolve) => {
    request.on("response", (response) => {
      resolve({ kind: "answered", status: response.statusCode ?? 0 });
      response.destroy();
    });
    request.on("error", (thrown) =>
      resolve({ kind: "unanswered", problem: `The receiver could not be reached (${codeOf(thrown)}).` }),
    );
    request.end(body);
  });
}

function headersOf({ id, body }: WebhookMessage, key: string, nowMs: number): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / secondMs));
  return {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "understudy",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatureOf(key, id, timestamp, body),
  };
}

/** Sends webhooks over HTTP, signed, to checked addresses alone; follows no redirect and uses no proxy. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { clock, secret } = options;
  /** The rules are made anew each time, because an operator may change the list while the service runs. */
  const rulesNow = (): AddressRules => createAddressRules(options.allow);
  const lookUp = options.lookUp ?? ((host: string) => lookUpName(host, { all: true }));

  const trySend = async (message: WebhookMessage, key: string, whenOver: AbortSignal): Promise<SendOutcome> => {
    const url = readTarget(message.url);
    if (typeof url === "string") return { kind: "refused", problem: url };
    let target: FoundAddress | string;
    try {
      target = await findAddress(url, rulesNow(), lookUp);
    } catch (thrown) {
      return { kind: "unanswered", problem: `${hostOf(url)} could not be looked up (${codeOf(thrown)}).` };
    }
    if (typeof target === "string") return { kind: "refused", problem: target };
    const headers = headersOf(message, key, clock.nowMs());
    if (whenOver.aborted) return { kind: "unanswered", problem: "It was broken off." };
    const request = openRequest({ url, target, headers, body: message.body });
    whenOver.addEventListener("abort", () => request.destroy(), { once: true });
    return call(request, message.body);
  };

  return {
    problemOf: (text) => {
      const url = readTarget(text);
      if (typeof url === "string") return url;
      const host = hostOf(url);
      if (isRefusedAsWritten(host, rulesNow())) return refusal(host);
      return secret === null ? noSecret : null;
    },
    send: async (message, signal) => {
      if (secret === null) return { kind: "unanswered", problem: noSecret };
      const { answerMs } = options;
      const over = new AbortController();
      const expired = Promise.withResolvers<SendOutcome>();
      const stopped = Promise.withResolvers<SendOutcome>();
      const timer = clock.setTimer(() => {
        expired.resolve({ kind: "unanswered", problem: `The receiver did not answer within ${answerMs} ms.` });
        over.abort();
      }, answerMs);
      const stop = (): void => {
        stopped.reject(signal.reason);
        over.abort();
      };
      signal.addEventListener("abort", stop, { once: true });
      try {
        signal.throwIfAborted();
        return await Promise.race([stopped.promise, expired.promise, trySend(message, secret, over.signal)]);
      } finally {
        clock.clearTimer(timer);
        signal.removeEventListener("abort", stop);
      }
    },
  };
}
