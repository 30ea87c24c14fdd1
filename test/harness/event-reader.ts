/**
 * Reads the service's event stream over HTTP with a parser of its own, so that a test sees what a foreign client sees.
 */
import type { RunningService } from "./running-service.ts";

/** One message of a stream of server-sent events; `id` is the row's number, null for what is not a row. */
export interface StreamMessage {
  readonly event: string;
  readonly id: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventReader {
  /** What has arrived so far. */
  readonly messages: readonly StreamMessage[];
  stop(): Promise<void>;
}

function parse(block: string): StreamMessage | null {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 2));
  }
  const data = fields.get("data");
  if (data === undefined) return null;
  const id = fields.get("id");
  return { event: fields.get("event") ?? "message", id: id === undefined ? null : Number(id), data: JSON.parse(data) };
}

/** Follows `/api/v1/events` from now on, as a page does. @param query `?topics=jobs` */
export async function followEvents(service: RunningService, query = ""): Promise<EventReader> {
  const end = new AbortController();
  const answer = await fetch(`${service.url}/api/v1/events${query}`, { signal: end.signal });
  const { body } = answer;
  if (answer.status !== 200 || body === null) throw new Error(`the event stream answered ${answer.status}`);
  const messages: StreamMessage[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const message = parse(block);
        if (message !== null) messages.push(message);
      }
    }
  })();
  return {
    messages,
    stop: async () => {
      end.abort();
      await reading.catch((thrown: unknown) => {
        if (!end.signal.aborted) throw thrown;
      });
    },
  };
}
