/** Streams of events are read with fetch, because an EventSource cannot send a key. */
import { ask } from "./key.js";

const firstDelayMs = 1_000;
const longestDelayMs = 8_000;
/** The service sends something every 15 s. */
const longestSilenceMs = 40_000;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function parse(block) {
  const event = { kind: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "event") event.kind = value;
    if (name === "id") event.id = value;
    if (name === "data") event.data = event.data === "" ? value : `${event.data}\n${value}`;
  }
  return event;
}

/** Hears one connection to its end. `hear(kind, data)` is called for each event; answers the last event's number. */
async function read(path, lastId, hear) {
  const over = new AbortController();
  let silence;
  const isHeard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => over.abort(), longestSilenceMs);
  };
  let id = lastId;
  let hasOpened = false;
  try {
    isHeard();
    const answer = await ask(path, {
      signal: over.signal,
      cache: "no-store",
      headers: id === undefined ? {} : { "last-event-id": id },
    });
    if (!answer.ok) return { id, hasOpened };
    hasOpened = true;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      isHeard();
      const { done, value } = await reader.read();
      if (done) return { id, hasOpened };
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const event of blocks.map(parse)) {
        id = event.id ?? id;
        if (event.data !== "") hear(event.kind, JSON.parse(event.data));
      }
    }
  } catch {
    return { id, hasOpened };
  } finally {
    clearTimeout(silence);
  }
}

/** Follows a stream of events for as long as the page lives: it goes on after the last number heard, each try later than the one before. */
export async function follow(path, { hear, lost }) {
  let delayMs = firstDelayMs;
  let lastId;
  for (;;) {
    const { id, hasOpened } = await read(path, lastId, hear);
    lastId = id;
    lost();
    delayMs = hasOpened ? firstDelayMs : Math.min(delayMs * 2, longestDelayMs);
    await wait(delayMs);
  }
}
