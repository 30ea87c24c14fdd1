/** The small file that names a worker's process and job, by which the next supervisor adopts it. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { errnoOf } from "./process-table.ts";

/** `run/<worker>.json`, mode 0600: everything that the next supervisor needs to adopt the worker or to end it. */
const recordSchema = z.object({
  /** Null for the instant between the intent and the start: the process is then found by its environment. */
  pid: z.number().int().min(2).nullable(),
  startTicks: z.number().int().nonnegative().nullable(),
  bootId: z.string().nullable(),
  token: z.string(),
  protocol: z.number().int(),
  socket: z.string(),
  job: z.string().nullable(),
  fence: z.number().int().nonnegative().nullable(),
});

export type WorkerRecord = z.infer<typeof recordSchema>;

/**
 * The records of one run directory. They are synchronous, so that no later write of the same worker can overtake an
 * earlier one.
 */
export interface WorkerRecords {
  read(workerId: string): WorkerRecord | null;
  /** Replaces the file atomically. It need not survive a power cut, because no worker does either. */
  write(workerId: string, record: WorkerRecord): void;
  remove(workerId: string): void;
}

export function createWorkerRecords(runDir: string): WorkerRecords {
  const pathOf = (workerId: string): string => join(runDir, `${workerId}.json`);
  return {
    read: (workerId) => {
      const path = pathOf(workerId);
      if (!existsSync(path)) return null;
      try {
        const parsed = recordSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
        return parsed.success ? parsed.data : null;
      } catch (thrown) {
        // A text that cannot be read names no process, and refusing to start over it would help nobody.
        if (thrown instanceof SyntaxError || errnoOf(thrown) === "ENOENT") return null;
        throw thrown;
      }
    },
    write: (workerId, record) => {
      const path = pathOf(workerId);
      writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
    remove: (workerId) => rmSync(pathOf(workerId), { force: true }),
  };
}
