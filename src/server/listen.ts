/** Puts the application on a socket, and takes it off again within a deadline. */
import { createServer, type Server, type ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer, type WebSocketServerLike } from "@hono/node-server";
import { type WebSocket, WebSocketServer } from "ws";
import type { Clock } from "../core/clock.ts";
import { messageOf, UnderstudyError } from "../core/errors.ts";
import type { ServerApp } from "./http-types.ts";
import { chooseProtocol } from "./safety/socket-protocols.ts";

export interface ListenOptions {
  readonly host: string;
  /** The port; 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  /** Other machines may reach the service without any key; whoever starts it said so. */
  readonly isInsecure: boolean;
}

export interface Listening {
  /** The base address, such as `http://127.0.0.1:9000`. */
  readonly address: string;
  readonly port: number;
  /** Says goodbye to streams, lets requests under way end, and closes every connection at the deadline. Idempotent. */
  stop(deadlineMs: number): Promise<void>;
}

/** A client that sends its request drop by drop holds a connection no longer than this. */
const serverTimeouts: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
/** A thousand clients may watch, and there is room for those who ask beside them. */
const mostConnections = 1_200;
const longestWebSocketMessageBytes = 64 * 1024;

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);

function startListening(server: Server, { host, port }: ListenOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const onError = (thrown: NodeJS.ErrnoException): void => {
      const isTaken = thrown.code === "EADDRINUSE";
      const sentence = isTaken
        ? `Port ${port} on ${host} is taken by another program; stop it, or choose another port with --port.`
        : `The service cannot listen on ${host}:${port} (${messageOf(thrown)}).`;
      reject(new UnderstudyError(isTaken ? "ADDRESS_IN_USE" : "CONFIGURATION_INVALID", sentence, { cause: thrown }));
    };
    server.once("error", onError);
    server.listen(port, host.replace(/^\[|\]$/g, ""), () => {
      server.off("error", onError);
      resolve(server.address() as AddressInfo);
    });
  });
}

/** How many requests are being answered, and a call when there is none any more. */
function watchRequests(server: Server): { whenNone: (callback: () => void) => void } {
  let count = 0;
  let onNone: (() => void) | undefined;
  server.on("request", (_request, response) => {
    count += 1;
    response.once("close", () => {
      count -= 1;
      if (count === 0) onNone?.();
    });
  });
  return {
    whenNone: (callback) => {
      onNone = callback;
      if (count === 0) callback();
    },
  };
}

function closeWithin(
  parts: { server: Server; sockets: WebSocketServer; clock: Clock; requests: ReturnType<typeof watchRequests> },
  deadlineMs: number,
): Promise<void> {
  const { server, sockets, clock, requests } = parts;
  const terminate = (): void => {
    for (const socket of sockets.clients as Set<WebSocket>) socket.terminate();
  };
  return new Promise((resolve) => {
    const atDeadline = clock.setTimer(() => {
      terminate();
      server.closeAllConnections();
    }, deadlineMs);
    // A WebSocket's goodbye needs the other side's answer, which a stopped client never gives.
    const goodbye = clock.setTimer(terminate, Math.min(500, deadlineMs));
    server.close(() => {
      clock.clearTimer(atDeadline);
      clock.clearTimer(goodbye);
      resolve();
    });
    // Once every request is answered, only idle connections and half-sent requests are left, which nobody accepted.
    requests.whenNone(() => server.closeAllConnections());
  });
}

/** Throws UnderstudyError ADDRESS_IN_USE, INSECURE_BINDING (a reachable address without a key) or CONFIGURATION_INVALID. */
export async function listen(app: ServerApp, options: ListenOptions): Promise<Listening> {
  if (!isLoopback(options.host) && !options.isInsecure && !(await app.isProtected())) {
    const ways =
      "make a key with understudy token create --role operator, set UNDERSTUDY_API_KEY, or listen on 127.0.0.1";
    throw new UnderstudyError(
      "INSECURE_BINDING",
      `Others can reach ${options.host}, and there is no key yet: ${ways}.`,
    );
  }
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: longestWebSocketMessageBytes,
    handleProtocols: chooseProtocol,
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    createServer,
    serverOptions: serverTimeouts,
    // `ws` says of optional fields that they may be undefined, which exactOptionalPropertyTypes tells apart.
    websocket: { server: sockets as WebSocketServerLike },
  }) as Server;
  server.maxConnections = mostConnections;
  const requests = watchRequests(server);
  const { port } = await startListening(server, options);
  let stopped: Promise<void> | undefined;
  return {
    address: `http://${options.host.includes(":") && !options.host.startsWith("[") ? `[${options.host}]` : options.host}:${port}`,
    port,
    stop: (deadlineMs) => {
      stopped ??= (() => {
        app.streams.endAll();
        return closeWithin({ server, sockets, clock: options.clock, requests }, deadlineMs);
      })();
      return stopped;
    },
  };
}
