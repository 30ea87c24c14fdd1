/** One client of a server-sent event stream, with a bounded queue: a reader that does not read costs a fixed amount of memory. */

export interface SseEvent {
  readonly event: string;
  readonly data: unknown;
  /** Only rows of the event log have a number: the browser sends the last one back when it reconnects. */
  readonly id?: number;
}

export interface SseChannel {
  readonly body: ReadableStream<Uint8Array>;
  /** Sends bytes that `encodeSse` made; all clients that are told the same hold the same bytes. */
  send(event: Uint8Array): void;
  comment(text: string): void;
  /** Sends what waits and `bye`, then closes. */
  end(reason: string): void;
  readonly isClosed: () => boolean;
  /** Resolves once nothing waits, because the client has read it, lags or has left. */
  drained(): Promise<void>;
}

export interface SseChannelOptions {
  /** The client lags: what waited was dropped. Called once it reads again, to bring it up to date. */
  readonly onResync: () => void;
  /** The client left, or `end` was called. */
  readonly onClosed: () => void;
}

/** A full queue holds about a minute of busy traffic. */
export const longestQueueCount = 500;
/** So many bytes may wait, whatever they say; a single event waits at any length. */
export const longestQueueBytes = 1024 * 1024;
/** The stream holds this much for a reader that is slow, before the queue begins to fill. */
const bufferedChunkCount = 16;
const reconnectMs = 2_000;

const encoder = new TextEncoder();

export function encodeSse({ event, data, id }: SseEvent): Uint8Array {
  return encoder.encode(`event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
}

/** Callers that wait for the same moment, each told once. */
function createWaiters(): { wait: () => Promise<void>; tell: () => void } {
  let waiting: (() => void)[] = [];
  return {
    wait: () => new Promise((resolve) => waiting.push(resolve)),
    tell: () => {
      const told = waiting;
      waiting = [];
      for (const tell of told) tell();
    },
  };
}

interface WaitingChunks {
  /** Adds a chunk; false when the queue holds more than one reader may cost: then all chunks are gone. */
  add(chunk: Uint8Array): boolean;
  take(): Uint8Array | undefined;
  readonly count: () => number;
  readonly all: () => readonly Uint8Array[];
}

function createWaitingChunks(): WaitingChunks {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    add: (chunk) => {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      const isWithin = chunks.length <= longestQueueCount && (chunks.length === 1 || bytes <= longestQueueBytes);
      if (!isWithin) {
        chunks = [];
        bytes = 0;
      }
      return isWithin;
    },
    take: () => {
      const chunk = chunks.shift();
      bytes -= chunk?.byteLength ?? 0;
      return chunk;
    },
    count: () => chunks.length,
    all: () => chunks,
  };
}

export function createSseChannel(options: SseChannelOptions): SseChannel {
  const waiting = createWaitingChunks();
  let isLagging = false;
  let isClosed = false;
  const readers = createWaiters();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    readers.tell();
    options.onClosed();
  };
  const hasRoom = (): boolean => (controller?.desiredSize ?? 0) > 0;
  const drain = (): void => {
    while (hasRoom()) {
      const chunk = waiting.take();
      if (chunk === undefined) break;
      controller?.enqueue(chunk);
    }
    if (waiting.count() === 0) readers.tell();
    if (!isLagging || !hasRoom()) return;
    isLagging = false;
    controller?.enqueue(encodeSse({ event: "resync", data: { reason: "lagging" } }));
    options.onResync();
  };
  const push = (chunk: Uint8Array): void => {
    if (isClosed || isLagging) return;
    isLagging = !waiting.add(chunk);
    drain();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (given) => {
        controller = given;
        given.enqueue(encoder.encode(`retry: ${reconnectMs}\n\n`));
      },
      pull: drain,
      cancel: close,
    },
    { highWaterMark: bufferedChunkCount },
  );
  return {
    body,
    send: push,
    comment: (text) => push(encoder.encode(`: ${text}\n\n`)),
    end: (reason) => {
      if (isClosed) return;
      close();
      for (const chunk of [...waiting.all(), encodeSse({ event: "bye", data: { reason } })]) controller?.enqueue(chunk);
      controller?.close();
    },
    isClosed: () => isClosed,
    drained: async () => {
      if (waiting.count() > 0 && !isClosed) await readers.wait();
    },
  };
}
