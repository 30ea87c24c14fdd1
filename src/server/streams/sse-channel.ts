/** One client of a server-sent event stream, with a bounded queue: a reader that does not read costs a fixed amount of memory. */

export interface SseEvent {
  readonly event: string;
  readonly data: unknown;
  /** Only rows of the event log have one: the browser sends the last one back when it reconnects. */
  readonly id?: number;
}

export interface SseChannel {
  readonly body: ReadableStream<Uint8Array>;
  send(event: SseEvent): void;
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

/** About a minute of busy traffic. */
export const longestQueueCount = 500;
/** Characters that wait, whatever they say; a single event waits at any length. */
export const longestQueueLength = 1024 * 1024;
/** The stream holds this much for a reader that is slow, before the queue begins to fill. */
const bufferedChunkCount = 16;
const reconnectMs = 2_000;

const encoder = new TextEncoder();

export function encodeSse({ event, data, id }: SseEvent): string {
  return `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
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

interface WaitingTexts {
  /** False when they are more than one reader may cost: then all are gone. */
  add(text: string): boolean;
  take(): string | undefined;
  readonly count: () => number;
  readonly all: () => readonly string[];
}

function createWaitingTexts(): WaitingTexts {
  let texts: string[] = [];
  let length = 0;
  return {
    add: (text) => {
      texts.push(text);
      length += text.length;
      const isWithin = texts.length <= longestQueueCount && (texts.length === 1 || length <= longestQueueLength);
      if (!isWithin) {
        texts = [];
        length = 0;
      }
      return isWithin;
    },
    take: () => {
      const text = texts.shift();
      length -= text?.length ?? 0;
      return text;
    },
    count: () => texts.length,
    all: () => texts,
  };
}

export function createSseChannel(options: SseChannelOptions): SseChannel {
  const waiting = createWaitingTexts();
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
    while (waiting.count() > 0 && hasRoom()) controller?.enqueue(encoder.encode(waiting.take()));
    if (waiting.count() === 0) readers.tell();
    if (!isLagging || !hasRoom()) return;
    isLagging = false;
    controller?.enqueue(encoder.encode(encodeSse({ event: "resync", data: { reason: "lagging" } })));
    options.onResync();
  };
  const push = (text: string): void => {
    if (isClosed || isLagging) return;
    isLagging = !waiting.add(text);
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
    send: (event) => push(encodeSse(event)),
    comment: (text) => push(`: ${text}\n\n`),
    end: (reason) => {
      if (isClosed) return;
      close();
      const rest = [...waiting.all(), encodeSse({ event: "bye", data: { reason } })];
      controller?.enqueue(encoder.encode(rest.join("")));
      controller?.close();
    },
    isClosed: () => isClosed,
    drained: async () => {
      if (waiting.count() > 0 && !isClosed) await readers.wait();
    },
  };
}
