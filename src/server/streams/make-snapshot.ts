/** What a stream says first: the state as of one row, so that a client is complete without asking for anything else. */
import { listedKinds } from "../../contract/event-words.ts";
import { shownArtifact } from "../../contract/job-truth.ts";
import { toVideo } from "../../contract/output-wire.ts";
import { type Snapshot, toRow, toSnapshot } from "../../contract/stream-wire.ts";
import { toQueue, toTask } from "../../contract/task-wire.ts";
import { isRowOf } from "../../core/events.ts";
import { withoutNulls } from "../../core/present.ts";
import type { ServerPorts } from "../server-ports.ts";

const taskCount = 20;
const recentCount = 10;
/** So many rows are searched for the last ten with words: transitions of machines have none. */
const searchedCount = 300;

/** What a client that has just come, or has missed something, needs to know. Complete up to row `seq`. */
export async function makeSnapshot(ports: ServerPorts): Promise<Snapshot> {
  // The number is read first: what happens meanwhile is in the snapshot already, and being told twice does no harm.
  const seq = await ports.events.newestSeq();
  const rows = await ports.events.range(Math.max(0, seq - searchedCount), searchedCount);
  const { jobs } = await ports.jobs.list({ limit: taskCount });
  const { tasks: _tasks, queue: _queue, ...counts } = toQueue([], await ports.jobs.counts());
  // A long queue of new jobs must not hide the last clip.
  const ended = await ports.jobs.list({ states: ["succeeded"], limit: 1 });
  const newestShown = [...jobs, ...ended.jobs]
    .filter((job) => shownArtifact(job) !== undefined)
    .toSorted((a, b) => (shownArtifact(b)?.createdAtMs ?? 0) - (shownArtifact(a)?.createdAtMs ?? 0))[0];
  const lastOutput = newestShown === undefined ? null : toVideo(newestShown);
  return toSnapshot(ports.status(), {
    seq,
    nowMs: ports.clock.nowMs(),
    queue: counts,
    tasks: jobs.map((job) => toTask(job, ports.progressOf(job.id))),
    recent: rows
      .filter((row) => isRowOf(row, ...listedKinds))
      .slice(-recentCount)
      .map(toRow),
    ...withoutNulls({ last_output: lastOutput }),
  });
}
