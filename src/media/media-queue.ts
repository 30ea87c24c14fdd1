/**
 * Keeps one media child for a kind of work: started when it is needed, asked one call at a time, replaced when it dies.
 */
import type { Clock } from "../core/clock.ts";
import { MediaError } from "../core/errors.ts";
import { MediaProcess } from "./media-process.ts";
import type { MediaRequest, MediaValue } from "./media-protocol.ts";

export interface MediaClientOptions {
  readonly clock: Clock;
  readonly onSpawn?: (pid: number) => void;
  readonly onExit?: (pid: number) => void;
}

export interface MediaQueue {
  call(request: MediaRequest): Promise<MediaValue>;
  stop(): Promise<void>;
}

/** The child's death in the middle of a call costs one retry; a second one is the caller's to see. */
const tries = 2;

export function createMediaQueue({ clock, onSpawn, onExit }: MediaClientOptions, callLimitMs: number): MediaQueue {
  let child: MediaProcess | null = null;
  let isStopped = false;

  const start = (): MediaProcess => {
    const started = new MediaProcess(clock, callLimitMs);
    const { pid } = started;
    if (pid !== undefined) onSpawn?.(pid);
    void started.ended.then(() => {
      if (pid !== undefined) onExit?.(pid);
      if (child === started) child = null;
    });
    return started;
  };
  return {
    call: async (request) => {
      for (let attempt = 1; ; attempt += 1) {
        if (isStopped) throw new MediaError("DRAINING", "The service is stopping.");
        if (child === null || child.hasEnded) child = start();
        try {
          const answer = await child.ask(request);
          if (answer.kind === "failed") throw new MediaError("OUTPUT_INVALID", answer.message);
          return answer.value;
        } catch (thrown) {
          const isPassing = thrown instanceof MediaError && thrown.retryable;
          if (!isPassing || attempt >= tries) throw thrown;
        }
      }
    },
    stop: async () => {
      isStopped = true;
      const current = child;
      if (current === null) return;
      current.kill();
      await current.ended;
    },
  };
}
