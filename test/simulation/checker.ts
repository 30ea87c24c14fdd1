/**
 * The promises that a simulated world is held to: no job is lost, none ends otherwise than it may, and nothing waits
 * for ever.
 */
import type { JobView } from "../../src/core/job.ts";
import { minuteMs } from "../../src/core/units.ts";
import { endedJobStates } from "../../src/core/words.ts";
import { isNeverBlamed } from "./job-defects.ts";
import { findEndlessWaits } from "./waits.ts";
import type { OwedJob, World } from "./world.ts";

/** An attempt that holds its job for longer than this waits for something that will not come. */
const longestAttemptMs = 100 * minuteMs;

function checkSucceeded(world: World, job: JobView, owed: OwedJob): string[] {
  const result = job.artifacts.find((artifact) => artifact.kind === "result");
  const isStoodIn = job.result?.servedBy.kind === "stand_in";
  if (result === undefined)
    return isStoodIn && owed.consent === "stand_in"
      ? []
      : [`job ${job.id} (${owed.consent}) succeeded without a result`];
  const file = world.disk.published.get(result.name);
  if (file === undefined) return [`the result of job ${job.id} is not on the disk`];
  return [
    ...(file.plays ? [] : [`the result of job ${job.id} does not play`]),
    ...(file.madeBy === "worker" && !isStoodIn ? [] : [`the result of job ${job.id} is not the real thing`]),
    ...(file.jobId === job.id && file.fence === job.fence
      ? []
      : [`the result of job ${job.id} is the file of another attempt`]),
  ];
}

/** How a job may end: delivered, cancelled by its owner, refused where it consented, or set aside where limits allow that. */
function checkEnd(world: World, job: JobView, owed: OwedJob): string[] {
  switch (job.state) {
    case "succeeded":
      return checkSucceeded(world, job, owed);
    case "cancelled":
      return owed.isCancelAsked ? [] : [`job ${job.id} is cancelled, and nobody asked for it`];
    default: {
      const isConsented = job.errorCode === "NO_REAL_ROUTE" && owed.consent === "fail";
      const isSetAside =
        world.mayGiveUp &&
        world.lifeOptions.promises !== true &&
        job.errorCode !== "JOB_DEADLINE_EXCEEDED" &&
        job.errorCode !== "NO_REAL_ROUTE";
      const isBlamed = world.workerWorld.blamedJobs.has(job.id);
      const isOwn = world.defectOf(job.id) !== undefined || world.disturbances.hitsOf(job.id) >= 2;
      if (isConsented || isSetAside || isBlamed || isOwn) return [];
      world.oversight.innocentEndedCount += 1;
      return [`job ${job.id} is ${job.state}: ${job.errorCode} ${job.errorMessage}`];
    }
  }
}

function countAnswer(world: World, job: JobView): void {
  const { answers, counts } = world;
  const hasResult = job.artifacts.some((artifact) => artifact.kind === "result");
  const isChanged = (job.result?.changes.length ?? 0) > 0;
  if (job.state === "succeeded") answers[hasResult ? (isChanged ? "changed" : "real") : "standIn"] += 1;
  else answers[job.state === "cancelled" ? "cancelled" : "refused"] += 1;
  if (hasResult && job.artifacts.some((artifact) => artifact.kind === "stand_in")) counts.stoodInMeanwhile += 1;
}

/** Every acknowledged job ended as it may, or is still owed; one that ended well is not looked at again. */
async function checkOwed(world: World): Promise<void> {
  for (const [id, owed] of world.owed) {
    const job = await world.observer.jobs.get(id);
    if (job !== null && !endedJobStates.includes(job.state)) continue;
    if (job === null) world.problems.push(`job ${id} was acknowledged and is lost`);
    else {
      world.problems.push(...checkEnd(world, job, owed));
      countAnswer(world, job);
    }
    world.owed.delete(id);
  }
}

/** What must hold at every moment. Call after the timeline was read. */
export async function checkNow(world: World): Promise<void> {
  const nowMs = world.clock.nowMs();
  await checkOwed(world);
  world.problems.push(...world.stays.findLong(nowMs));
  for (const [id, sinceMs] of world.journal.heldSinceMs)
    if (nowMs - sinceMs > longestAttemptMs)
      world.problems.push(`an attempt holds job ${id} since ${(nowMs - sinceMs) / minuteMs} min`);
  if (world.lifeOptions.promises === true) world.oversight.judge(world);
  if (world.current !== null) world.problems.push(...findEndlessWaits(world.current.service.supervisor));
}

/** An incident of one attempt is over by then. */
const longestIncidentMs = 10 * minuteMs;

/** What must hold at the end, long after the last fault: nothing is owed any more. */
export async function checkEndOfWorld(world: World): Promise<void> {
  await checkNow(world);
  if (world.lifeOptions.promises === true) world.problems.push(...world.oversight.standing.findPoorModes(world));
  let openedUntilMs = world.clock.nowMs();
  for (const id of world.owed.keys()) {
    const job = await world.observer.jobs.get(id);
    // What a place was told to be guilty of ends no job before its deadline, and each attempt of it opens an incident.
    const defect = world.defectOf(id);
    if (defect !== undefined && isNeverBlamed(defect)) openedUntilMs = world.clock.nowMs() - longestIncidentMs;
    else world.problems.push(`job ${id} is still ${job?.state} long after the last fault`);
  }
  for (const { id, failureType, openedAtMs } of await world.observer.incidents.listOpen())
    if (openedAtMs <= openedUntilMs)
      world.problems.push(`incident ${id} (${failureType}) is still open long after the last fault`);
  if (world.current === null) world.problems.push("no supervisor lives at the end");
}
