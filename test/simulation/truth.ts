/** Compares what the service tells of a video with the file itself: no stand-in may be shown as the real one. */
import type { SimDisk } from "./sim-ports.ts";

/** The parts of answers that say what a video is. */
interface Claims {
  readonly is_mock?: boolean;
  readonly simulated?: boolean;
  readonly served_by?: { readonly kind: string };
}
export interface ShownTask extends Claims {
  readonly status: string;
}
export interface ShownOutput extends Claims {
  readonly sha256: string;
}

/** What an answer claims against the file that it is about: who made that is known to the disk alone, whatever rows say. */
export function checkAnswer(disk: SimDisk, id: string, task: ShownTask, output: ShownOutput | null): string[] {
  const problems: string[] = [];
  if (task.simulated !== true) problems.push(`job ${id} is not shown as simulated`);
  if (task.status === "completed" && task.is_mock === undefined)
    problems.push(`job ${id} is shown without saying what it is`);
  if (task.is_mock === false && task.served_by?.kind === "stand_in")
    problems.push(`job ${id} is shown as real, served by a stand-in`);
  if (output === null) return problems;
  const file = disk.published.get(output.sha256);
  if (file === undefined) return [...problems, `the shown video of job ${id} is not on the disk`];
  if (!file.plays) problems.push(`the shown video of job ${id} does not play`);
  if (file.jobId !== id) problems.push(`job ${id} shows the video of job ${file.jobId}`);
  const isStandIn = file.madeBy === "media";
  // Task and video are two requests: the real one may arrive between them, never a stand-in.
  if (isStandIn && task.status === "completed" && task.is_mock === false)
    problems.push(`job ${id} shows a stand-in as the real video`);
  if (output.is_mock !== isStandIn)
    problems.push(`the video of job ${id} says is_mock ${output.is_mock}, and was made by ${file.madeBy}`);
  if ((output.served_by?.kind === "stand_in") !== isStandIn)
    problems.push(
      `the video of job ${id} says it was served by ${output.served_by?.kind}, and was made by ${file.madeBy}`,
    );
  return problems;
}
