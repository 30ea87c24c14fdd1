/**
 * Finds workers that keep more memory after each job. A worker is started anew between two jobs, before the leak ends
 * one with an out-of-memory error.
 */
import { messageOf } from "../../core/errors.ts";
import type { EventRow } from "../../core/events.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Supervisor } from "../../machines/supervisor-view.ts";
import { isRecycleDue, type LeakTrend, leakTrend, noteResidue, type Residue } from "../../recovery/leak.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { WorkerLinks } from "./worker-links.ts";

export interface LeakNeeds {
  readonly store: Pick<Store, "events">;
  readonly links: Pick<WorkerLinks, "get" | "clientOf">;
  readonly logger: Pick<Logger, "warn">;
}

/** Share of the card beyond which the residue takes what renders need. */
const limitRatio = 0.5;

interface Watched {
  readonly pid: number;
  readonly residues: readonly Residue[];
}

/** Looks at what each worker still holds when a job has ended, and ends a worker on purpose before a leak costs a job. */
export interface LeakWatch {
  /** Null while too few jobs of this process have ended. */
  trendOf(workerId: string): LeakTrend | null;
  /** What its process held after its last job, in bytes; null before that was measured. */
  residueOf(workerId: string): number | null;
  stop(): void;
}

/**
 * Memory that stays: allocated by the worker's framework beside the model as it was after its load. The allocator's cache
 * does not count, because it is given back on request. The worker measures it, with each finished render: whoever asks later
 * may find the next job under way.
 */
export function createLeakWatch({ store, links, logger }: LeakNeeds, supervisor: Pick<Supervisor, "send">): LeakWatch {
  const watched = new Map<string, Watched>();
  const limitOf = (workerId: string): number =>
    (links.clientOf(workerId)?.identity.device.totalBytes ?? 0) * limitRatio;
  const trendOf = (workerId: string): LeakTrend | null =>
    leakTrend(watched.get(workerId)?.residues ?? [], limitOf(workerId));

  const look = async (workerId: string, residue: Residue): Promise<void> => {
    const link = links.get(workerId);
    if (link === null) return;
    const known = watched.get(workerId);
    const residues = known?.pid === link.ref.pid ? known.residues : [];
    watched.set(workerId, { pid: link.ref.pid, residues: noteResidue(residues, residue) });
    const trend = trendOf(workerId);
    if (!isRecycleDue(trend)) return;
    watched.delete(workerId);
    const data = {
      bytes_per_job: Math.round(trend?.bytesPerJob ?? 0),
      jobs_left: trend?.jobsLeft ?? 0,
      confidence: trend?.confidence ?? 0,
    };
    await store.events.append([{ kind: "worker.recycled", workerId, data }]);
    supervisor.send({ type: "worker.recycle", workerId });
  };
  const note = (rows: readonly EventRow[]): void => {
    for (const { kind, workerId, atMs, data } of rows) {
      if (kind !== "render.completed" || workerId === null) continue;
      look(workerId, { atMs, bytes: data.held_bytes }).catch((thrown: unknown) =>
        logger.warn({ event: "worker.notRecycled", workerId, message: messageOf(thrown) }),
      );
    }
  };
  const residueOf = (workerId: string): number | null => {
    const known = watched.get(workerId);
    // A process that has ended holds nothing any more.
    return known !== undefined && known.pid === links.get(workerId)?.ref.pid
      ? (known.residues.at(-1)?.bytes ?? null)
      : null;
  };
  return { trendOf, residueOf, stop: store.events.subscribe(note) };
}
