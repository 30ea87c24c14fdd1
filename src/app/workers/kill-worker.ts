/**
 * Lets people kill a worker to see the recovery. The row of the act is written before the signal, so that the timeline
 * never shows such a death without its cause.
 */
import type { Store } from "../../core/ports/event-log.ts";
import type { WorkerHost } from "../../core/ports/worker.ts";
import type { ControlPort } from "../../server/server-ports.ts";
import type { WorkerLinks } from "./worker-links.ts";

export interface KillNeeds {
  readonly store: Pick<Store, "events">;
  readonly links: Pick<WorkerLinks, "get" | "noteKillAsked">;
  readonly host: Pick<WorkerHost, "signal">;
  /** The worker that is meant where nobody is named. */
  readonly firstWorkerId: string;
}

/** Kills a simulated worker because a person wants to see what happens; a real one is never killed so. */
export const createKillWorker =
  ({ store, links, host, firstWorkerId }: KillNeeds): ControlPort["killWorker"] =>
  async (workerId, by) => {
    const id = workerId ?? firstWorkerId;
    const link = links.get(id);
    if (link === null) return { kind: "absent", message: `Worker ${id} has no process right now.` };
    if (!link.client.identity.isSimulated) return { kind: "notSimulated", message: `Worker ${id} is not a simulator.` };
    await store.events.append([{ kind: "worker.killed", actor: by, workerId: id, data: { pid: link.ref.pid } }]);
    links.noteKillAsked(link.ref.pid);
    host.signal(link.ref, "SIGKILL");
    return { kind: "killed", workerId: id, pid: link.ref.pid };
  };
