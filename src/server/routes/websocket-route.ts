/**
 * `/ws`, the socket of the compatible clients. Fields lie flat in a frame and also under `data`, because the system whose
 * clients it serves sends them flat, and its own client reads them under `data`.
 */
import { upgradeWebSocket } from "@hono/node-server";
import type { WSContext } from "hono/ws";
import type { WebSocket } from "ws";
import { openSocket } from "../../contract/api/stream-api.ts";
import { messageOfJob } from "../../contract/job-truth.ts";
import { toAttempt, toSystemStatus } from "../../contract/recovery-wire.ts";
import {
  downloadFrames,
  healthFrames,
  progressFrames,
  rowFrames,
  type SocketFrame,
  type SocketTopic,
  sampleFrames,
  socketTopics,
} from "../../contract/socket-frames.ts";
import { bothWays } from "../../contract/stream-wire.ts";
import { toTask } from "../../contract/task-wire.ts";
import { isoOf } from "../../core/clock.ts";
import type { EventRow } from "../../core/events.ts";
import { present } from "../../core/present.ts";
import type { ApiApp } from "../api-app.ts";
import type { HttpContext } from "../http-types.ts";
import type { OpenStreams } from "../open-streams.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";
import type { StreamHub } from "../streams/stream-hub.ts";

/** A client that reads nothing is let go before it costs more memory than this. */
const longestBufferedBytes = 1024 * 1024;
const going = 1001;
const tryAgainLater = 1013;

type Fields = Readonly<Record<string, unknown>>;

interface Client {
  readonly id: string;
  readonly subscribed: Set<SocketTopic>;
  send(type: string, data: Fields): void;
}

const isTopic = (value: unknown): value is SocketTopic => socketTopics.some((topic) => topic === value);

function parseMessage(text: string): { type: string; data: Fields } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
  if (typeof parsed !== "object" || parsed === null || !("type" in parsed) || typeof parsed.type !== "string")
    return null;
  const data =
    "data" in parsed && typeof parsed.data === "object" && parsed.data !== null ? (parsed.data as Fields) : {};
  // Flat fields count too, because one generation of clients sends `{type, topic}`.
  return { type: parsed.type, data: { ...(parsed as Fields), ...data } };
}

const statusOfClient = (client: Client, connectionCount: number): Fields => ({
  connection_id: client.id,
  active_connections: connectionCount,
  subscriptions: Object.fromEntries(socketTopics.map((topic) => [topic, client.subscribed.has(topic)])),
  subscription_counts: { [client.id]: client.subscribed.size },
});

type Reply = readonly [type: string, data: Fields];

function replyOf(client: Client, text: string, now: string, connectionCount: number): Reply {
  const received = text.slice(0, 200);
  const message = parseMessage(text);
  if (message === null)
    return ["error", { message: "Not a message: send JSON with a type.", received_message: received }];
  const { topic, timestamp } = message.data;
  const named = typeof topic === "string" ? topic.slice(0, 64) : "";
  const unknown = `There is no topic ${named}`;
  switch (message.type) {
    case "ping":
      return ["pong", { timestamp: timestamp ?? now, message: "pong" }];
    case "subscribe":
      if (!isTopic(topic)) return ["subscription_response", { topic: named, subscribed: false, message: unknown }];
      client.subscribed.add(topic);
      return ["subscription_response", { topic, subscribed: true, message: `Subscribed to ${topic}` }];
    case "unsubscribe":
      if (!isTopic(topic)) return ["unsubscription_response", { topic: named, unsubscribed: false, message: unknown }];
      client.subscribed.delete(topic);
      return ["unsubscription_response", { topic, unsubscribed: true, message: `Unsubscribed from ${topic}` }];
    case "get_status":
      return ["status_response", statusOfClient(client, connectionCount)];
    default:
      return [
        "error",
        { message: `There is no message type ${message.type.slice(0, 64)}.`, received_message: received },
      ];
  }
}

/** Job and queue frames of rows. The job is read once for each row; a job that was deleted since has only the queue's frame. */
async function sendRow(ports: ServerPorts, client: Client, row: EventRow): Promise<void> {
  sendFrames(client, rowFrames(row));
  if (row.jobId === null || !row.kind.startsWith("job.") || !client.subscribed.has("queue_updates")) return;
  const job = await ports.jobs.get(row.jobId);
  if (job !== null) {
    const { id, status, progress, output_path, error_message, is_mock, simulated } = toTask(
      job,
      ports.progressOf(job.id),
    );
    const optional = present({ output_path, error_message });
    client.send("task_update", {
      task_id: id,
      status,
      progress,
      message: messageOfJob(job),
      is_mock,
      simulated,
      ...optional,
    });
  }
  client.send("queue_update", { message: "The queue changed.", task_id: row.jobId });
}

function framesOf(frame: StreamFrame): readonly SocketFrame[] {
  switch (frame.kind) {
    case "progress":
      return progressFrames(frame.progress);
    case "sample":
      return sampleFrames(frame.sample);
    case "health":
      return healthFrames(frame.health);
    case "recoveryAttempt":
      return [{ topic: "fallback_notifications", type: "recovery_attempt", data: toAttempt(frame.attempt) }];
    case "download":
      return downloadFrames(frame.download);
    case "mode":
      return [
        { topic: "fallback_notifications", type: "system_status", data: toSystemStatus(frame.mode, frame.sentence) },
      ];
    case "sentence":
    case "step":
      return [];
  }
}

function sendFrames(client: Client, frames: readonly SocketFrame[]): void {
  for (const { topic, type, data } of frames) if (client.subscribed.has(topic)) client.send(type, data);
}

interface Session {
  open(socket: WSContext<unknown>): void;
  message(text: string): void;
  close(): void;
}

function createSession(ports: ServerPorts, hub: StreamHub, streams: OpenStreams): Session {
  let client: Client | undefined;
  let leave: (() => void)[] = [];
  /** Rows are told in their order although each needs a read. */
  let telling: Promise<void> = Promise.resolve();
  const now = (): string => isoOf(ports.clock.nowMs());
  const close = (): void => {
    for (const step of leave) step();
    leave = [];
  };
  const open = (socket: WSContext<unknown>): void => {
    const raw = socket.raw as WebSocket;
    const opened: Client = {
      id: ports.chance.uuid(),
      subscribed: new Set(socketTopics),
      send: (type, data) => {
        if (raw.bufferedAmount > longestBufferedBytes) return socket.close(tryAgainLater, "You read too slowly");
        socket.send(JSON.stringify(bothWays(type, { timestamp: now(), ...data })));
      },
    };
    client = opened;
    const tell = (rows: readonly EventRow[]): void => {
      for (const row of rows)
        telling = telling
          .then(() => sendRow(ports, opened, row))
          .catch((thrown: unknown) => ports.onDefect(thrown, { requestId: opened.id, method: "GET", path: "/ws" }));
    };
    leave = [
      hub.subscribe({ rows: tell, frame: (frame) => sendFrames(opened, framesOf(frame)), beat: () => raw.ping() }),
      streams.add(() => socket.close(going, "The service is stopping")),
    ];
    opened.send("connection_established", {
      connection_id: opened.id,
      available_topics: [...socketTopics],
      message: "Connected",
    });
  };
  return {
    open,
    message: (text) => {
      if (client !== undefined) client.send(...replyOf(client, text, now(), streams.count()));
    },
    close,
  };
}

export function addWebSocketRoute(app: ApiApp, ports: ServerPorts, hub: StreamHub, streams: OpenStreams): void {
  const upgrade = upgradeWebSocket(() => {
    const session = createSession(ports, hub, streams);
    return {
      onOpen: (_event, socket) => session.open(socket as WSContext<unknown>),
      onMessage: (event) => session.message(String(event.data)),
      onClose: () => session.close(),
      onError: () => session.close(),
    };
  });
  app.openapi(openSocket, async (context, next) => {
    if (streams.hasEnded()) return refuse(context, { code: "DRAINING", detail: "The service is stopping." });
    const isUpgrade =
      context.req.header("upgrade")?.toLowerCase() === "websocket" && context.env?.incoming !== undefined;
    if (isUpgrade) return (await upgrade(context as HttpContext, next)) as Response;
    return refuse(context, {
      code: "REQUEST_MALFORMED",
      status: 426,
      detail: "This address speaks WebSocket.",
      headers: { upgrade: "websocket" },
    });
  });
}
