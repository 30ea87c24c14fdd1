/**
 * Stops the supervisor for a while, as a suspended laptop or a paused virtual machine does: the render must go on and
 * nothing may be rendered twice.
 */
import { newestSeq, rendersOf, rowsAfterRender } from "../harness/rows.ts";
import { clock, type RunningService } from "../harness/running-service.ts";
import { delivered, inPhase } from "../harness/tasks.ts";

export interface Standstill {
  readonly isWorkerTheSame: boolean;
  /** Steps rendered and steps taken from a checkpoint, over all renders of the job; without repetition the first is all that was asked. */
  readonly stepsRendered: number;
  readonly stepsResumed: number;
  readonly workerExits: number;
}

/** Stops the supervisor by SIGSTOP in the middle of a denoising, lets it go on after `stopMs`, and tells what that cost. */
export async function standStill(service: RunningService, stopMs: number, steps: number): Promise<Standstill> {
  const since = newestSeq(service.stateDir);
  const id = await service.submit({ steps, num_frames: 49 });
  await inPhase(service, id, "denoise", 20);
  const pid = service.worker()?.pid;
  service.process.kill("SIGSTOP");
  await clock.sleep(stopMs);
  service.process.kill("SIGCONT");
  await delivered(service, id, 120_000);
  const rows = await rowsAfterRender(service.stateDir, since);
  const renders = rendersOf(rows);
  return {
    isWorkerTheSame: pid !== undefined && service.worker()?.pid === pid,
    stepsRendered: renders.reduce((sum, render) => sum + render.steps_rendered, 0),
    stepsResumed: renders.reduce((sum, render) => sum + render.resumed_from_step, 0),
    workerExits: rows.filter((row) => row.kind === "worker.exited").length,
  };
}
