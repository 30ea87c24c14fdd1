/** `/ws`: the seed's socket. Frames are flat and also lie under `data`, because its server and its client disagree. */
import { upgradeWebSocket } from "@hono/node-server";
import type { WSContext } from "hono/ws";
import type { WebSocket } from "ws";
import { openSocket } from "../../contract/api/stream-api.ts";
import { toAttempt, toHealthStatus, toSystemStatus } from "../../contract/recovery-wire.ts";
import { bothWays, toProgress, toSystemStats } from "../../contract/stream-wire.ts";
import { messageOfJob, toTask } from "../../contract/task-wire.ts";
import { isoOf } from "../../core/clock.ts";
import type { EventRow } from "../../core/ports/event-log.ts";
import type { ApiApp } from "../api-app.ts";
import type { HttpContext } from "../http-types.ts";
import type { OpenStreams } from "../open-streams.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts, StreamFrame } from "../server-ports.ts";
import type { StreamHub } from "../streams/stream-hub.ts";

/** Frames by topic; a client has all of them until it unsubscribes. */
const topics = ["system_stats", "generation_progress", "queue_updates", "health_monitoring", "fallback_notifications"] as const;
type Topic = (typeof topics)[number];

/** A client that reads nothing is let go before it costs more memory than this. */
const longestBufferedBytes = 1024 * 1024;
const going = 1001;
const tryAgainLater = 1013;

type Fields = Readonly<Record<string, unknown>>;

interface Client {
  readonly id: string;
  readonly subscribed: Set<Topic>;
  send(type: string, data: Fields): void;
}

const isTopic = (value: unknown): value is Topic => topics.some((topic) => topic === value);

function parseMessage(text: string): { type: string; data: Fields } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
  if (typeof parsed !== "object" || parsed === null || !("type" in parsed) || typeof parsed.type !== "string") return null;
  const data = "data" in parsed && typeof parsed.data === "object" && parsed.data !== null ? (parsed.data as Fields) : {};
  // Flat fields count too: one generation of clients sends `{type, topic}`.
  return { type: parsed.type, data: { ...(parsed as Fields), ...data } };
}

type Reply = readonly [type: string, data: Fields];

function replyOf(client: Client, text: string, now: string, connectionCount: number): Reply {
  const received = text.slice(0, 200);
  const message = parseMessage(text);
  if (message === null) return ["error", { message: "Not a message: send JSON with a type.", received_message: received }];
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
      return ["status_response", { connection_id: client.id, active_connections: connectionCount, subscriptions: [...client.subscribed] }];
    default:
      return ["error", { message: `There is no message type ${message.type.slice(0, 64)}.`, received_message: received }];
  }
}

/** Job and queue frames of rows. The job is read once for each row; a job that was deleted since has only the queue's frame. */
async function sendRow(ports: ServerPorts, client: Client, row: EventRow): Promise<void> {
  if (row.jobId === null || !row.kind.startsWith("job.") || !client.subscribed.has("queue_updates")) return;
  const job = await ports.jobs.get(row.jobId);
  if (job !== null) {
    const { id, status, progress, output_path, error_message, is_mock, simulated } = toTask(job, ports.progressOf(job.id));
    const optional = { ...(output_path === undefined ? {} : { output_path }), ...(error_message === undefined ? {} : { error_message }) };
    client.send("task_update", { task_id: id, status, progress, message: messageOfJob(job), is_mock, simulated, ...optional });
  }
  client.send("queue_update", { message: "The queue changed.", task_id: row.jobId });
}

function sendFrame(client: Client, frame: StreamFrame): void {
  const has = (topic: Topic): boolean => client.subscribed.has(topic);
  if (frame.kind === "progress" && has("generation_progress")) {
    const progress = toProgress(frame.progress);
    client.send("task_update", { task_id: progress.job_id, status: "processing", progress: progress.progress });
    client.send("generation_progress", { task_id: progress.job_id, status: "processing", stage: progress.phase, ...progress });
  }
  if (frame.kind === "recoveryAttempt" && has("fallback_notifications")) client.send("recovery_attempt", toAttempt(frame.attempt));
  if (frame.kind === "sample" && has("system_stats")) client.send("system_stats_update", toSystemStats(frame.sample));
  if (frame.kind === "health" && has("health_monitoring")) {
    client.send("health_status", toHealthStatus(frame.health));
  }
  if (frame.kind === "mode" && has("fallback_notifications")) {
    client.send("system_status", toSystemStatus(frame.mode, frame.sentence));
  }
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
      subscribed: new Set(topics),
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
      hub.subscribe({ rows: tell, frame: (frame) => sendFrame(opened, frame), beat: () => raw.ping() }),
      streams.add(() => socket.close(going, "The service is stopping")),
    ];
    opened.send("connection_established", { connection_id: opened.id, available_topics: [...topics], message: "Connected" });
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
    const isUpgrade = context.req.header("upgrade")?.toLowerCase() === "websocket" && context.env?.incoming !== undefined;
    if (isUpgrade) return (await upgrade(context as HttpContext, next)) as Response;
    return refuse(context, {
      code: "REQUEST_MALFORMED",
      status: 426,
      detail: "This address speaks WebSocket.",
      headers: { upgrade: "websocket" },
    });
  });
}
