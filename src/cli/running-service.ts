/**
 * How commands reach the service on this machine: its address comes from the state directory, so nobody has to name a
 * port.
 */
import { request } from "node:http";
import { json } from "node:stream/consumers";
import { readAddress } from "../app/offline.ts";
import type { Config } from "../config/schema.ts";
import { createApiClient } from "../contract/api/api-client.ts";
import { UnderstudyError } from "../core/errors.ts";
import { present } from "../core/present.ts";

/** The service that runs on this state directory, typed by the contract. Throws UnderstudyError when there is none. */
function locate(config: Config): { readonly address: string; readonly headers: Record<string, string> } {
  const address = readAddress(config.stateDir);
  if (address === null)
    throw new UnderstudyError("SERVICE_UNREACHABLE", `No service runs on ${config.stateDir}; npm start starts one.`);
  return { address, headers: config.apiKey === null ? {} : { authorization: `Bearer ${config.apiKey}` } };
}

export function connect(config: Config): ReturnType<typeof createApiClient> {
  const { address, headers } = locate(config);
  const reach: typeof fetch = (...order) =>
    fetch(...order).catch((thrown: unknown) => {
      throw new UnderstudyError("SERVICE_UNREACHABLE", `The service at ${address} does not answer.`, { cause: thrown });
    });
  return createApiClient(address, { headers, fetch: reach });
}

export interface ServiceAnswer {
  readonly address: string;
  readonly isOk: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks the service that runs on this state directory. Throws UnderstudyError with one sentence when none answers. */
export async function askService(
  config: Config,
  method: "GET" | "POST",
  path: string,
  body?: object,
  further: Readonly<Record<string, string>> = {},
): Promise<ServiceAnswer> {
  const { address, headers: keyed } = locate(config);
  const headers = {
    ...further,
    ...keyed,
    ...present({ "content-type": body === undefined ? undefined : "application/json" }),
  };
  try {
    const answer = await fetch(`${address}${path}`, {
      method,
      headers,
      ...present({ body: body === undefined ? undefined : JSON.stringify(body) }),
    });
    return { address, isOk: answer.ok, body: (await answer.json()) as Record<string, unknown> };
  } catch (thrown) {
    throw new UnderstudyError("SERVICE_UNREACHABLE", `The service at ${address} does not answer.`, { cause: thrown });
  }
}

/**
 * Posts, and waits for the answer however long it takes: `fetch` gives up after five minutes. Throws UnderstudyError when
 * no service answers.
 */
export async function waitForAnswer(config: Config, path: string): Promise<ServiceAnswer> {
  const { address, headers } = locate(config);
  const answered = new Promise<ServiceAnswer>((resolve, reject) => {
    const asking = request(`${address}${path}`, { method: "POST", headers }, (answer) => {
      const isOk = (answer.statusCode ?? 0) < 400;
      json(answer).then((body) => resolve({ address, isOk, body: body as Record<string, unknown> }), reject);
    });
    asking.on("error", reject);
    asking.end();
  });
  return answered.catch((thrown: unknown) => {
    throw new UnderstudyError("SERVICE_UNREACHABLE", `The service at ${address} does not answer.`, { cause: thrown });
  });
}

/** The sentence of a refusal: its detail and, where there is one, what to do next. */
export function refusalOf({ body }: Pick<ServiceAnswer, "body">): string {
  const parts = [body["detail"] ?? body["message"] ?? "The service refused.", body["next_step"] ?? ""];
  return parts
    .map(String)
    .filter((text) => text !== "")
    .join(" ");
}
