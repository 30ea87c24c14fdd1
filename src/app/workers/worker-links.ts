/**
 * Who is connected now. A worker that restarts gets another client, so an effect that kept the former one would talk
 * to a dead process.
 */
import { UnderstudyError } from "../../core/errors.ts";
import type { ProcessRef, WorkerClient, WorkerNotice } from "../../core/ports/worker.ts";

export interface WorkerLink {
  readonly workerId: string;
  readonly ref: ProcessRef;
  readonly client: WorkerClient;
}

/** The live connections, one a worker. Actors look a client up at the moment of a call; nobody keeps one. */
export interface WorkerLinks {
  open(link: WorkerLink): void;
  close(workerId: string): void;
  get(workerId: string): WorkerLink | null;
  /** Null while there is no connection. */
  clientOf(workerId: string): WorkerClient | null;
  /** Throws UnderstudyError WORKER_EXITED while there is no connection. */
  connected(workerId: string): WorkerClient;
  list(): readonly WorkerLink[];
  /** Somebody asked this service to kill this process. */
  noteKillAsked(pid: number): void;
  /** Whether that was asked; its end answers the request, because the next process may have the same number. */
  takeKillAsked(pid: number): boolean;
  noteSpawned(workerId: string, atMs: number): void;
  /** When this service started the worker's process; 0 for one that it found running. */
  processBeganAtMs(workerId: string): number;
  /** Notices of the worker, over reconnections too. */
  onNotice(workerId: string, listener: (notice: WorkerNotice) => void): () => void;
}

export function createWorkerLinks(): WorkerLinks {
  const links = new Map<string, { readonly link: WorkerLink; readonly unsubscribe: () => void }>();
  const askedFor = new Set<number>();
  const begins = new Map<string, number>();
  const listeners = new Map<string, Set<(notice: WorkerNotice) => void>>();
  const publish = (workerId: string, notice: WorkerNotice): void => {
    for (const listener of listeners.get(workerId) ?? []) listener(notice);
  };
  const close = (workerId: string): void => {
    const open = links.get(workerId);
    if (open === undefined) return;
    links.delete(workerId);
    open.unsubscribe();
    open.link.client.close();
  };
  const clientOf = (workerId: string): WorkerClient | null => links.get(workerId)?.link.client ?? null;
  return {
    open: (link) => {
      close(link.workerId);
      const unsubscribe = link.client.onNotice((notice) => publish(link.workerId, notice));
      links.set(link.workerId, { link, unsubscribe });
    },
    close,
    get: (workerId) => links.get(workerId)?.link ?? null,
    clientOf,
    connected: (workerId) => {
      const client = clientOf(workerId);
      if (client === null)
        throw new UnderstudyError("WORKER_EXITED", "the worker is not connected", { retryable: true });
      return client;
    },
    list: () => [...links.values()].map(({ link }) => link),
    noteKillAsked: (pid) => void askedFor.add(pid),
    takeKillAsked: (pid) => askedFor.delete(pid),
    noteSpawned: (workerId, atMs) => void begins.set(workerId, atMs),
    processBeganAtMs: (workerId) => begins.get(workerId) ?? 0,
    onNotice: (workerId, listener) => {
      const heard = listeners.get(workerId) ?? new Set();
      listeners.set(workerId, heard.add(listener));
      return () => heard.delete(listener);
    },
  };
}
