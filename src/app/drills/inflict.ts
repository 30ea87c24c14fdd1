/** Carries a drill's fault out on the running service. */
import type { Clock } from "../../core/clock.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { JobProgress } from "../../core/job.ts";
import type { WorkerHost } from "../../core/ports/worker.ts";
import type { Supervisor } from "../../machines/supervisor-view.ts";
import type { WorkerLink, WorkerLinks } from "../workers/worker-links.ts";
import { waitFor } from "./drill-jobs.ts";
import type { DrillFault } from "./drill-list.ts";
import type { DrillState } from "./drill-state.ts";

export interface InflictNeeds {
  readonly clock: Clock;
  readonly host: Pick<WorkerHost, "signal">;
  readonly links: Pick<WorkerLinks, "get" | "list">;
  readonly progress: { of(jobId: string): Pick<JobProgress, "phase" | "step" | "workerId"> | null };
  readonly drill: DrillState;
}

/** What the fault is done to, and what it needs of the drill. */
export interface Scene {
  readonly jobId: string;
  readonly observer: {
    readonly hasBegun: boolean;
    /** The fault is done now, for the first time or again. */
    strike(): void;
    hasEnded(jobId: string): boolean;
    /** The service did not let the fault be done to the end, which counts against it. */
    cutShort(): void;
  };
  /** Resolves with another job of the drill, when the service is sound again. */
  readonly nextJob: () => Promise<string>;
}

/** The worker that is in the middle of denoising the job, in a process other than `former`. */
function rendererOf(parts: InflictNeeds, jobId: string, former: WorkerLink | null): WorkerLink | null {
  const progress = parts.progress.of(jobId);
  if (progress?.phase !== "denoise" || progress.step < 2) return null;
  const link = parts.links.get(progress.workerId);
  return link === null || link.ref.pid === former?.ref.pid ? null : link;
}

const waitForDenoise = (parts: InflictNeeds, jobId: string): Promise<WorkerLink> =>
  waitFor(parts.clock, "The drill's own render", () => rendererOf(parts, jobId, null));

type SignalFault = Extract<DrillFault, { kind: "signal" }>;

/** The process that the signal goes to next; null when the job has ended before. Throws when none comes for long. */
async function findNextVictim(
  parts: InflictNeeds,
  { again }: SignalFault,
  scene: Scene,
  former: WorkerLink,
): Promise<WorkerLink | null> {
  const jobId = again === "afterRepair" ? await scene.nextJob() : scene.jobId;
  const find = (): WorkerLink | null => {
    if (again !== "atOnce") return rendererOf(parts, jobId, again === "inRender" ? former : null);
    const link = parts.links.get(former.workerId);
    return link?.ref.pid === former.ref.pid ? null : link;
  };
  return waitFor<{ readonly victim: WorkerLink | null }>(parts.clock, "The next worker process", () => {
    const victim = find();
    return victim !== null || scene.observer.hasEnded(jobId) ? { victim } : null;
  }).then(({ victim }) => victim);
}

async function signalAgain(parts: InflictNeeds, fault: SignalFault, scene: Scene, first: WorkerLink): Promise<void> {
  let former = first;
  for (let left = fault.times - 1; left > 0; left -= 1) {
    const next = await findNextVictim(parts, fault, scene, former);
    if (next === null) return scene.observer.cutShort();
    former = next;
    scene.observer.strike();
    parts.host.signal(former.ref, fault.signal);
  }
}

async function signalWorkers(parts: InflictNeeds, fault: SignalFault, scene: Scene): Promise<void> {
  const first = await waitForDenoise(parts, scene.jobId);
  scene.observer.strike();
  parts.host.signal(first.ref, fault.signal);
  // What was begun is scored: a service that never comes to the next render has failed the drill.
  await signalAgain(parts, fault, scene, first).catch((thrown: unknown) => {
    if (!(thrown instanceof UnderstudyError && thrown.code === "DRILL_NOT_POSSIBLE")) throw thrown;
    scene.observer.cutShort();
  });
}

/** Resolves when the fault is over, as far as it has an end of its own. */
export async function inflict(parts: InflictNeeds, fault: DrillFault, scene: Scene): Promise<void> {
  const { clock, drill, progress } = parts;
  const { jobId, observer } = scene;
  switch (fault.kind) {
    case "loadCard":
      return;
    case "card":
    case "workerCard":
      await waitFor(clock, "The drill's own render", () =>
        progress.of(jobId)?.phase === fault.phase || observer.hasBegun ? true : null,
      );
      return observer.strike();
    case "blind":
      await waitForDenoise(parts, jobId);
      observer.strike();
      drill.hide(fault.what);
      await clock.sleep(fault.forMs);
      drill.show(fault.what);
      return;
    case "signal":
      await signalWorkers(parts, fault, scene);
  }
}

/** What has to be laid before the drill's job is there: cards that meet a load, or whatever is rendered next. */
export async function prepareFault(
  { links }: Pick<InflictNeeds, "links">,
  fault: DrillFault,
  supervisor: Pick<Supervisor, "send">,
): Promise<void> {
  if (fault.kind !== "loadCard" && fault.kind !== "workerCard") return;
  for (const { workerId, client } of links.list()) {
    await client.injectFault(fault.card);
    // The load is asked for, so that it meets its card.
    if (fault.kind === "loadCard") supervisor.send({ type: "model.reload", workerId });
  }
}
