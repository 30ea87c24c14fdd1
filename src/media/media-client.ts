import type { Clock } from "../core/clock.ts";
import { MediaError } from "../core/errors.ts";
import type { ArtifactProbe, Media, MediaFile } from "../core/ports/media.ts";
import { MediaProcess } from "./media-process.ts";
import type { MediaRequest } from "./media-protocol.ts";

export interface MediaClientOptions {
  readonly clock: Clock;
  readonly onSpawn?: (pid: number) => void;
  readonly onExit?: (pid: number) => void;
}

/** The child's death in the middle of a call costs one retry; a second one is the caller's to see. */
const tries = 2;

/** Starts the media child when it is needed. This module loads no media code itself. */
export function createMediaClient({ clock, onSpawn, onExit }: MediaClientOptions): Media {
  let child: MediaProcess | null = null;
  let isStopped = false;

  const start = (): MediaProcess => {
    const started = new MediaProcess(clock);
    const { pid } = started;
    if (pid !== undefined) onSpawn?.(pid);
    void started.ended.then(() => {
      if (pid !== undefined) onExit?.(pid);
      if (child === started) child = null;
    });
    return started;
  };
  const call = async (request: MediaRequest): Promise<MediaFile | ArtifactProbe | null> => {
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
  };
  return {
    renderStandIn: async (order) => (await call({ kind: "standIn", order })) as MediaFile,
    renderThumbnail: async (order) => {
      await call({ kind: "thumbnail", order });
    },
    probe: async (path) => (await call({ kind: "probe", path })) as ArtifactProbe,
    stop: async () => {
      isStopped = true;
      const current = child;
      if (current === null) return;
      current.kill();
      await current.ended;
    },
  };
}
