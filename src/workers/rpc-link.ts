/**
 * The JSON-RPC connection to one worker. Every message is checked against the protocol in both directions, and every
 * call ends: by answer, deadline, abort or the connection's end.
 */
import type { Duplex } from "node:stream";
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import {
  type MethodName,
  methods,
  type NotificationName,
  notifications,
  type ParamsOf,
  type ResultOf,
} from "../contract/worker-protocol.ts";
import type { Clock } from "../core/clock.ts";
import { WorkerError } from "../core/errors.ts";
import type { WorkerNotice } from "../core/ports/worker.ts";
import { connectionEnded, errorOfRejection } from "./rpc-errors.ts";
import { noticeFromWire } from "./wire-mapping.ts";

interface CallLimits {
  readonly limitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** One connection to a worker, whose calls and notices are typed by the protocol. */
export interface RpcLink {
  call<Method extends MethodName>(
    method: Method,
    params: ParamsOf<Method>,
    limits: CallLimits,
  ): Promise<ResultOf<Method>>;
  onNotice(listener: (notice: WorkerNotice) => void): () => void;
  onClose(listener: () => void): () => void;
  close(): void;
}

/**
 * Turns of the event loop without a message after which the ended stream is taken as read out: vscode-jsonrpc hands on
 * what it has received one message a turn, after two queues.
 */
const quietTurns = 4;

type Reject = (reason: unknown) => void;

/** One schema of the protocol, seen without its type: TypeScript cannot pair it with a method that is a type parameter. */
interface Schema {
  safeParse(value: unknown): { readonly success: boolean; readonly data?: unknown; readonly error?: unknown };
}

function checked(schema: Schema, value: unknown, what: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new WorkerError("WORKER_PROTOCOL_MISMATCH", `${what} does not fit the worker protocol`, {
    cause: parsed.error,
  });
}

/** Reads until the stream ends, then until everything received has been handed on: a last report must not be lost. */
function whenReadOut(
  connection: MessageConnection,
  clock: Clock,
  messageCount: () => number,
  listener: () => void,
): void {
  connection.onClose(() => {
    const drain = async (): Promise<void> => {
      let seen = messageCount();
      for (let quiet = 0; quiet < quietTurns; quiet += 1) {
        await clock.turn();
        if (messageCount() !== seen) quiet = 0;
        seen = messageCount();
      }
      listener();
    };
    void drain();
  });
}

function hearNotifications(
  connection: MessageConnection,
  publish: (notice: WorkerNotice) => void,
  breakOff: (cause: unknown) => void,
): void {
  const hear = <Name extends NotificationName>(name: Name): void => {
    const schema: Schema = notifications[name];
    connection.onNotification(name, (params: unknown) => {
      const parsed = schema.safeParse(params);
      if (parsed.success) publish(noticeFromWire[name](parsed.data as Parameters<(typeof noticeFromWire)[Name]>[0]));
      else
        breakOff(
          new WorkerError("WORKER_PROTOCOL_MISMATCH", `${name} does not fit the worker protocol`, {
            cause: parsed.error,
          }),
        );
    });
  };
  for (const name of Object.keys(notifications) as NotificationName[]) hear(name);
}

/** Starts one call, which is pending until its answer, its deadline, its abort or the connection's end. */
function startCall<Answer>(
  clock: Clock,
  pending: Set<Reject>,
  method: MethodName,
  limits: CallLimits,
  send: () => Promise<Answer>,
): Promise<Answer> {
  const { limitMs, signal } = limits;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const settle = (finish: () => void): void => {
      if (!pending.delete(fail)) return;
      clock.clearTimer(timer);
      signal?.removeEventListener("abort", onAbort);
      finish();
    };
    const fail: Reject = (reason) => settle(() => reject(reason));
    const onAbort = (): void => fail(signal?.reason);
    const timer = clock.setTimer(
      () =>
        fail(
          new WorkerError("WORKER_SILENT", `the worker did not answer ${method} within ${limitMs} ms`, {
            retryable: true,
          }),
        ),
      limitMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    pending.add(fail);
    send().then((answer) => settle(() => resolve(answer)), fail);
  });
}

/** Rejects where the connection throws: it refuses calls as soon as its stream has closed, before the end is told. */
async function send(connection: MessageConnection, method: MethodName, params: unknown): Promise<unknown> {
  return connection.sendRequest(method, params);
}

/** Opens the connection over a stream, and counts the messages that it has received. */
function openMessages(stream: Duplex): { readonly connection: MessageConnection; readonly messageCount: () => number } {
  let count = 0;
  const connection = createMessageConnection(
    new StreamMessageReader(stream),
    new StreamMessageWriter(stream),
    undefined,
    {
      messageStrategy: {
        handleMessage: (message, next) => {
          count += 1;
          return next(message);
        },
      },
    },
  );
  return { connection, messageCount: () => count };
}

export function createRpcLink(stream: Duplex, clock: Clock): RpcLink {
  const pending = new Set<Reject>();
  const noticeListeners = new Set<(notice: WorkerNotice) => void>();
  const closeListeners = new Set<() => void>();
  let isOpen = true;
  let endCause: unknown;
  const { connection, messageCount } = openMessages(stream);
  const end = (): void => {
    if (!isOpen) return;
    isOpen = false;
    connection.dispose();
    stream.destroy();
    for (const reject of [...pending]) reject(connectionEnded(endCause));
    for (const listener of [...closeListeners]) listener();
  };
  const breakOff = (cause: unknown): void => {
    endCause ??= cause;
    stream.destroy();
  };
  // A microtask keeps the order and lets a listener's defect surface, which the connection would swallow.
  const publish = (notice: WorkerNotice): void => {
    for (const listener of noticeListeners) queueMicrotask(() => noticeListeners.has(listener) && listener(notice));
  };
  hearNotifications(connection, publish, breakOff);
  connection.onError(([error]) => breakOff(error));
  whenReadOut(connection, clock, messageCount, end);
  connection.listen();

  return {
    call: <Method extends MethodName>(method: Method, params: ParamsOf<Method>, limits: CallLimits) => {
      const schemas: { readonly params: Schema; readonly result: Schema } = methods[method];
      return startCall(clock, pending, method, limits, async () => {
        const sent = checked(schemas.params, params, `the order ${method}`);
        if (!isOpen) throw connectionEnded(endCause);
        const answer = await send(connection, method, sent).catch((thrown: unknown) => {
          throw errorOfRejection(method, thrown);
        });
        return checked(schemas.result, answer, `the answer to ${method}`) as ResultOf<Method>;
      });
    },
    onNotice: (listener) => {
      noticeListeners.add(listener);
      return () => noticeListeners.delete(listener);
    },
    onClose: (listener) => {
      closeListeners.add(listener);
      return () => closeListeners.delete(listener);
    },
    close: end,
  };
}
