/** A receiver of webhooks that checks signatures as the documents tell receivers to, and can refuse or hang. */
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebhookBody, webhookBodySchema } from "../../src/contract/webhook-wire.ts";

export interface Received {
  readonly path: string;
  readonly host: string;
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly text: string;
}

/** A status, or `hang` for no answer at all. */
export type Answer = number | "hang";

export interface WebhookReceiver {
  readonly port: number;
  readonly origin: string;
  readonly received: Received[];
  answer: Answer;
  close(): Promise<void>;
}

const headerOf = (request: IncomingMessage, name: string): string => String(request.headers[name] ?? "");

/** Somebody else's server on a free port of the loopback address; it keeps what it is sent. */
export async function startReceiver(
  options: { readonly answer?: Answer; readonly port?: number } = {},
): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const answerTo = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    received.push({
      path: request.url ?? "",
      host: headerOf(request, "host"),
      id: headerOf(request, "webhook-id"),
      timestamp: headerOf(request, "webhook-timestamp"),
      signature: headerOf(request, "webhook-signature"),
      text,
    });
    if (receiver.answer === "hang") return;
    response.writeHead(receiver.answer, receiver.answer === 302 ? { location: "/elsewhere" } : {});
    response.end("thank you");
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => answerTo(request, response, Buffer.concat(parts).toString("utf8")));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: WebhookReceiver = {
    port,
    origin: `http://127.0.0.1:${port}`,
    received,
    answer: options.answer ?? 204,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** As docs/jobs.md tells receivers to check it, without any code of the service. */
export function isSigned({ id, timestamp, text, signature }: Received, secret: string): boolean {
  return signature === `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.${text}`).digest("base64")}`;
}

export const bodyOf = ({ text }: Received): WebhookBody => webhookBodySchema.parse(JSON.parse(text));
