/**
 * Hands written rows to their listeners in the order of their numbers. A listener's defect must not undo or delay what
 * is written.
 */
import type { EventRow } from "../core/events.ts";

export type RowListener = (rows: readonly EventRow[]) => void;

export interface Publisher {
  publish(rows: readonly EventRow[]): void;
  subscribe(listener: RowListener): () => void;
}

function tell(listener: RowListener, rows: readonly EventRow[]): void {
  try {
    listener(rows);
  } catch (thrown) {
    // What is written stays written, whatever a listener makes of it; its defect goes to the top of the process.
    queueMicrotask(() => {
      throw thrown;
    });
  }
}

/** Tells every listener all rows in the order of their numbers, also when a listener writes rows itself. */
export function createPublisher(): Publisher {
  const listeners = new Set<RowListener>();
  const outbox: (readonly EventRow[])[] = [];
  let isPublishing = false;
  return {
    publish: (rows) => {
      if (rows.length > 0) outbox.push(rows);
      if (isPublishing) return;
      isPublishing = true;
      for (let batch = outbox.shift(); batch !== undefined; batch = outbox.shift())
        for (const listener of [...listeners]) tell(listener, batch);
      isPublishing = false;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
