import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../core/clock.ts";
import { MediaError } from "../core/errors.ts";
import type { ArtifactProbe, Media, MediaFile } from "../core/ports/media.ts";
import { minuteMs } from "../core/units.ts";
import type { MediaAnswer, MediaRequest } from "./media-protocol.ts";

export interface MediaClientOptions {
  readonly clock: Clock;
  readonly onSpawn?: (pid: number) => void;
  readonly onExit?: (pid: number) => void;
}

interface Call {
  readonly resolve: (answer: MediaAnswer) => void;
  readonly reject: (thrown: MediaError) => void;
}

interface Child {
  readonly process: ChildProcess;
  readonly calls: Map<number, Call>;
}

/** A 720p clip of five seconds decodes in a few seconds on one busy core. */
const callLimitMs = 2 * minuteMs;
const program = fileURLToPath(new URL(`./media-child${extname(import.meta.url)}`, import.meta.url));

/** The child's death in the middle of a call costs one retry; a second one is the caller's to see. */
const tries = 2;

/** Starts the media child when it is needed. This module loads no media code itself. */
export function createMediaClient({ clock, onSpawn, onExit }: MediaClientOptions): Media {
  let child: Child | null = null;
  let nextId = 1;
  let isStopped = false;

  const start = (): Child => {
    const spawned = fork(program, [], { stdio: ["ignore", "ignore", "ignore", "ipc"], serialization: "advanced", execArgv: [] });
    const started: Child = { process: spawned, calls: new Map() };
    const { pid } = spawned;
    if (pid !== undefined) onSpawn?.(pid);
    const lose = (): void => {
      if (child === started) child = null;
      for (const call of started.calls.values())
        call.reject(new MediaError("OUTPUT_INVALID", "The media child ended.", { retryable: true }));
      started.calls.clear();
    };
    spawned.on("message", (answer: MediaAnswer) => {
      started.calls.get(answer.id)?.resolve(answer);
      started.calls.delete(answer.id);
    });
    spawned.on("error", lose);
    spawned.on("exit", () => {
      if (pid !== undefined) onExit?.(pid);
      lose();
    });
    return started;
  };

  const ask = (request: MediaRequest): Promise<MediaAnswer> =>
    new Promise((resolve, reject) => {
      if (isStopped) {
        reject(new MediaError("DRAINING", "The service is stopping."));
        return;
      }
      child ??= start();
      const { process: current, calls } = child;
      const id = nextId;
      nextId += 1;
      const timer = clock.setTimer(() => {
        calls.delete(id);
        current.kill("SIGKILL");
        reject(new MediaError("OUTPUT_INVALID", `The media child did not answer within ${callLimitMs} ms.`));
      }, callLimitMs);
      const settle = (): void => clock.clearTimer(timer);
      calls.set(id, {
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: (thrown) => {
          settle();
          reject(thrown);
        },
      });
      // A child that is just ending refuses the message: its exit rejects the call, and the retry starts another.
      current.send({ id, request }, () => undefined);
    });

  const call = async (request: MediaRequest): Promise<MediaFile | ArtifactProbe | null> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await ask(request);
        if (answer.kind === "failed") throw new MediaError("OUTPUT_INVALID", answer.message);
        return answer.value;
      } catch (thrown) {
        const isPassing = thrown instanceof MediaError && thrown.retryable;
        if (!isPassing || attempt >= tries || isStopped) throw thrown;
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
      const current = child?.process;
      if (current === undefined || current.exitCode !== null) return;
      const ended = new Promise((resolve) => current.once("exit", resolve));
      current.kill("SIGKILL");
      await ended;
    },
  };
}
