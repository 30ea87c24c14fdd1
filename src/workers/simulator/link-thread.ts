/**
 * Socket and heartbeat of the simulator, in a thread of their own: a blocked main thread is told from a dead process.
 * A new connection with the token replaces the old one. Nothing here ends the process but being orphaned for long.
 * An orphan whose main thread is blocked cannot end by itself: it is killed from here.
 */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import {
  createMessageConnection,
  ErrorCodes,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import type { ZodError } from "zod";
import { toWire } from "../../contract/renaming.ts";
import { type MethodName, methods, protocolVersion, rpcErrors } from "../../contract/worker-protocol.ts";
import { createSystemClock, type TimerHandle } from "../../core/clock.ts";
import { secondMs } from "../../core/units.ts";
import type { LinkData, ToLink, ToMain, WorkerState } from "./thread-messages.ts";

const port = parentPort;
if (port === null) throw new Error("the link thread must be started as a worker thread");
const data = workerData as LinkData;
const clock = createSystemClock();
const pulse = new Int32Array(data.pulse);
const heartbeatMs = secondMs;
/** A main thread that has not turned for this long is blocked for good. */
const blockedMs = 2 * secondMs;
/** After so many turns an answer that was given has been handed to the socket; vscode-jsonrpc needs two. */
const writtenTurns = 4;

let state: WorkerState = data.state;
let current: { readonly connection: MessageConnection; readonly socket: Socket } | null = null;
let stateAtMs = clock.nowMs();
let isSilent = false;
let isLying = false;
let nextId = 1;
let orphan: TimerHandle | undefined;
const calls = new Map<number, { resolve: (result: unknown) => void; reject: (thrown: unknown) => void }>();

const tellMain = (message: ToMain): void => port.postMessage(message);

function callMain(method: MethodName, params: unknown): Promise<unknown> {
  const id = nextId;
  nextId += 1;
  return new Promise((resolve, reject) => {
    calls.set(id, { resolve, reject });
    tellMain({ kind: "call", id, method, params });
  });
}

const mainIdleMs = (): number => Math.max(0, clock.nowMs() - data.startedAtMs - Atomics.load(pulse, 0));

function armOrphan(): void {
  clock.clearTimer(orphan);
  orphan = clock.setTimer(() => {
    if (current !== null) return;
    if (mainIdleMs() > Math.max(blockedMs, data.orphanMs)) process.kill(process.pid, "SIGKILL");
    tellMain({ kind: "orphaned" });
    // A render that is under way is finished first.
    armOrphan();
  }, data.orphanMs);
}

/** Writes everything out that was said, then ends the connection. */
async function end(): Promise<void> {
  for (let turn = 0; turn < writtenTurns; turn += 1) await clock.turn();
  if (current === null) tellMain({ kind: "ended" });
  else current.socket.end(() => tellMain({ kind: "ended" }));
}

/** These methods are answered here, because they need no main thread. */
const own: Partial<Record<MethodName, () => unknown>> = {
  attach: () => toWire({ ...state.attach, standstillMs: state.attach.phase === null ? 0 : clock.nowMs() - stateAtMs }),
  stats: () =>
    toWire({
      memory: state.memory,
      residentModel: state.attach.residentModel,
      profile: state.attach.profile,
      jobsDone: state.jobsDone,
    }),
};

function serve(connection: MessageConnection, socket: Socket): void {
  let isKnown = false;
  connection.onRequest("initialize", (raw: unknown) => {
    const params = methods.initialize.params.safeParse(raw);
    if (!params.success) return new ResponseError(ErrorCodes.InvalidParams, `initialize: ${problemOf(params.error)}`);
    if (params.data.token !== data.token) return new ResponseError(rpcErrors.unauthorized, "the token is wrong");
    if (params.data.protocol !== protocolVersion)
      return new ResponseError(rpcErrors.protocolMismatch, `this worker speaks protocol ${protocolVersion}`);
    isKnown = true;
    const former = current;
    current = { connection, socket };
    if (former !== null && former.connection !== connection) former.connection.end();
    clock.clearTimer(orphan);
    return {
      protocol: protocolVersion,
      simulated: data.identity.isSimulated,
      ...strip(toWire(data.identity) as Record<string, unknown>),
    };
  });
  for (const method of Object.keys(methods) as MethodName[]) {
    if (method === "initialize") continue;
    connection.onRequest(method, async (raw: unknown) => {
      if (!isKnown || current?.connection !== connection)
        return new ResponseError(rpcErrors.unauthorized, "initialize comes first");
      const params = methods[method].params.safeParse(raw ?? {});
      if (!params.success) return new ResponseError(ErrorCodes.InvalidParams, `${method}: ${problemOf(params.error)}`);
      const answer = own[method];
      return answer === undefined ? callMain(method, params.data) : answer();
    });
  }
  const lost = (): void => {
    socket.destroy();
    if (current?.connection !== connection) return;
    current = null;
    armOrphan();
  };
  connection.onClose(lost);
  connection.onError(lost);
  connection.listen();
}

/** The first field that is wrong, and why. */
function problemOf({ issues }: ZodError): string {
  const [issue] = issues;
  return issue === undefined ? "bad parameters" : `${issue.path.join(".") || "parameters"}: ${issue.message}`;
}

function strip(identity: Record<string, unknown>): Record<string, unknown> {
  const { is_simulated: _simulated, ...rest } = identity;
  return rest;
}

function notify(name: string, params: unknown): void {
  current?.connection.sendNotification(name, params).catch(() => undefined);
}

port.on("message", (message: ToLink) => {
  switch (message.kind) {
    case "state":
      state = message.state;
      stateAtMs = clock.nowMs();
      return;
    case "notify":
      notify(message.name, message.params);
      return;
    case "answer":
      calls.get(message.id)?.resolve(message.result);
      calls.delete(message.id);
      return;
    case "refusal":
      calls.get(message.id)?.resolve(new ResponseError(message.code, message.message, message.data));
      calls.delete(message.id);
      return;
    case "silence":
      isSilent = true;
      return;
    case "lie":
      isLying = true;
      return;
    case "end":
      void end();
  }
});

function beat(): void {
  clock.setTimer(() => {
    if (!isSilent) notify("heartbeat", { main_thread_idle_ms: isLying ? 0 : mainIdleMs() });
    beat();
  }, heartbeatMs);
}

rmSync(data.socketPath, { force: true });
const server = createServer((socket) => {
  socket.on("error", () => undefined);
  serve(createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket)), socket);
});
server.listen(data.socketPath);
armOrphan();
beat();
