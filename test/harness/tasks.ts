/**
 * Waits for stages of a job over the compatible routes: rendering, delivered, playable. A stand-in never counts as
 * delivered.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ffmpeg from "@ffmpeg-installer/ffmpeg";
import { clock, type RunningService, until } from "./running-service.ts";

/** What a client of the compatible routes sees of its job. */
export interface Task {
  readonly status: string;
  readonly is_mock: boolean;
  readonly phase?: string;
  readonly progress: number;
}

export const taskOf = async (service: RunningService, id: string): Promise<Task> =>
  (await service.json<Task>(`/api/v1/generate/${id}`)).body;

export const isReady = (service: RunningService, limitMs?: number): Promise<unknown> =>
  until(
    "the service is ready",
    async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
    limitMs,
  );

/** Rendering, and no stand-in is shown: that one would be complete whatever the render has reached. */
export const inPhase = (
  service: RunningService,
  id: string,
  phase: string,
  percent = 0,
  limitMs?: number,
): Promise<unknown> =>
  until(
    `the job is in its ${phase} phase at ${percent} %`,
    async () => {
      const task = await taskOf(service, id);
      return task.status === "processing" && task.phase === phase && task.progress >= percent;
    },
    limitMs,
  );

/** The real result, not a stand-in that was shown before it. */
export const delivered = (service: RunningService, id: string, limitMs = 60_000): Promise<unknown> =>
  until(
    "the real result",
    async () => {
      const task = await taskOf(service, id);
      return task.status === "completed" && !task.is_mock;
    },
    limitMs,
  );

/** Decodes the whole file with another decoder than the one that wrote it; the number of its frames. */
export function countFrames(path: string): number {
  const output = execFileSync(ffmpeg.path, ["-v", "error", "-i", path, "-map", "0:v:0", "-f", "framemd5", "-"], {
    encoding: "utf8",
  });
  return output.split("\n").filter((line) => /^\d/.test(line)).length;
}

/** Frames of the video that the service delivers for this job. */
export async function deliveredFrames(service: RunningService, id: string): Promise<number> {
  const answer = await fetch(`${service.url}/api/v1/outputs/${id}/video`);
  if (answer.headers.get("content-type") !== "video/mp4") throw new Error(`the video answered ${answer.status}`);
  const path = join(service.stateDir, `${id}.fetched.mp4`);
  writeFileSync(path, new Uint8Array(await answer.arrayBuffer()));
  return countFrames(path);
}

/** Asks all the time, as clients do; `stop` tells every status that it was answered with, 0 for no answer. */
export function pollAlways(service: RunningService, id: string): { readonly stop: () => Promise<ReadonlySet<number>> } {
  const statuses = new Set<number>();
  const paths = [
    `/api/v1/generate/${id}`,
    "/api/v1/queue",
    "/api/v1/recovery/status",
    "/api/v1/recovery/health",
    "/readyz",
  ];
  let isOver = false;
  const polling = (async () => {
    while (!isOver) {
      for (const path of paths)
        statuses.add(
          await service.json(path).then(
            ({ status }) => status,
            () => 0,
          ),
        );
      await clock.sleep(100);
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await polling;
      return statuses;
    },
  };
}
