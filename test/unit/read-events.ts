/** Reads server-sent events one at a time. */
export function readEvents(response: Response): {
  next: () => Promise<{ event: string; id: string | null; data: Record<string, unknown> } | null>;
  cancel: () => Promise<void>;
} {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  const next = async (): Promise<{ event: string; id: string | null; data: Record<string, unknown> } | null> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end === -1) {
        const { done, value } = await reader.read();
        if (done) return null;
        text += decoder.decode(value, { stream: true });
        continue;
      }
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const field = (name: string): string | null =>
        block
          .split("\n")
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2) ?? null;
      const event = block.startsWith(":") ? "comment" : field("event");
      if (event !== null)
        return { event, id: field("id"), data: JSON.parse(field("data") ?? "{}") as Record<string, unknown> };
    }
  };
  return { next, cancel: () => reader.cancel() };
}
