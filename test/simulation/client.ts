/**
 * The clients of a simulated world: they submit, cancel and look, and compare every answer with what is really on the
 * disk.
 */
import { drawInteger } from "../../src/core/chance.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import type { FallbackConsent } from "../../src/core/words.ts";
import { ask } from "./ask.ts";
import { noteSaid } from "./probes.ts";
import { stepsPerJob } from "./sim-attempt.ts";
import { checkAnswer, type ShownOutput, type ShownTask } from "./truth.ts";
import type { World } from "./world.ts";

const tryEveryMs = 5 * secondMs;
const patienceCount = 2_000;
const cancelRatio = 0.08;

/** Most clients say nothing about fallback. */
function drawConsent(world: World): FallbackConsent {
  const drawn = world.chance.next();
  if (drawn < 0.1) return "wait";
  if (drawn < 0.2) return "fail";
  return drawn < 0.3 ? "stand_in" : "stand_in_then_real";
}

export interface AskedJob {
  readonly consent?: FallbackConsent;
  /** The main model in the usual small size. */
  readonly isSmall?: boolean;
}

/** Each job's own; where jobs may be defective, some are. */
function nextSeed({ lifeOptions, counts, defectPlan, clock }: World): number {
  counts.seeds += 1;
  if (lifeOptions.jobFaults === true) defectPlan.note(counts.seeds, clock.nowMs());
  return counts.seeds;
}

/** Submits under one idempotency key until it is acknowledged, so that a repeated try makes no second job; then looks now and then. */
export async function submitJob(world: World, key: string, asked: AskedJob = {}): Promise<void> {
  const { consent = drawConsent(world) } = asked;
  const seed = nextSeed(world);
  const model = asked.isSmall !== true && world.chance.next() < 0.15 ? "TI2V-5B" : "T2V-A14B";
  const isLarge = asked.isSmall !== true && world.chance.next() < 0.3;
  const body = JSON.stringify({
    model_type: model,
    prompt: "a red fox",
    resolution: isLarge ? "1280x720" : "854x480",
    steps: stepsPerJob,
    num_frames: isLarge ? 81 : 33,
    seed,
    fallback: consent,
  });
  for (let tries = 0; tries < patienceCount; tries += 1) {
    const answer = await ask(world, "/api/v1/generation/submit", {
      method: "POST",
      headers: { "idempotency-key": key },
      body,
    });
    if (answer?.status === 200) {
      const { task_id: id, message } = (await answer.json()) as { task_id: string; message: string };
      world.seeds.set(id, seed);
      if (world.lifeOptions.promises === true) await noteSaid(world, id, consent, message);
      world.owed.set(id, { consent, acknowledgedAtMs: world.clock.nowMs(), isCancelAsked: false });
      world.counts.jobs += 1;
      if (world.chance.next() < cancelRatio) void cancelLater(world, id);
      await keepLooking(world, id);
      return;
    }
    // Nothing that the job allows fits now, and the answer says what would.
    if (answer?.status === 422) {
      world.answers.refused += 1;
      return;
    }
    if (answer !== null && answer.status < 500 && answer.status !== 429) {
      world.problems.push(`submission ${key} was answered ${answer.status}: ${await answer.text()}`);
      return;
    }
    await world.clock.sleep(tryEveryMs);
  }
  world.problems.push(`submission ${key} was not taken in ${patienceCount} tries`);
}

async function cancelLater(world: World, id: string): Promise<void> {
  await world.clock.sleep(drawInteger(world.chance, 0, 10 * minuteMs));
  const owed = world.owed.get(id);
  if (owed === undefined) return;
  world.counts.cancels += 1;
  owed.isCancelAsked = true;
  world.oversight.promises.forget(id);
  await ask(world, `/api/v1/queue/${id}/cancel`, { method: "POST", body: "{}" });
}

/** Looks at the job and at its video until the job has ended, and compares what is shown with what really is there. */
async function keepLooking(world: World, id: string): Promise<void> {
  while (world.owed.has(id)) {
    await world.clock.sleep(drawInteger(world.chance, minuteMs, 15 * minuteMs));
    const task = await ask(world, `/api/v1/generate/${id}`);
    if (task?.status !== 200) continue;
    const shown = (await task.json()) as ShownTask;
    const output = await ask(world, `/api/v1/outputs/${id}`);
    world.counts.looks += 1;
    world.problems.push(
      ...checkAnswer(world.disk, id, shown, output?.status === 200 ? ((await output.json()) as ShownOutput) : null),
    );
  }
}
