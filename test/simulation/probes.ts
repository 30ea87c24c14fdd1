/** Notes what a client is told of its job, and sends one job of each consent after all surfaces were read. */
import { secondMs } from "../../src/core/units.ts";
import { type FallbackConsent, fallbackConsents, type Mode } from "../../src/core/words.ts";
import { ask } from "./ask.ts";
import type { World } from "./world.ts";

interface ShownVideo {
  readonly understudy: { readonly eta_seconds: number | null };
}

/** What the answer to a submission said, and the time that the job's own page names right after it. */
export async function noteSaid(world: World, jobId: string, consent: FallbackConsent, sentence: string): Promise<void> {
  const { clock, current, oversight } = world;
  const atMs = clock.nowMs();
  if (world.defectOf(jobId) !== undefined || isAnyoneSick(world)) return;
  const mode: Mode | undefined = current?.service.supervisor.getSnapshot().context.mode;
  const response = await ask(world, `/v1/videos/${jobId}`);
  if (response?.status !== 200 || mode === undefined || world.current !== current) return;
  const { understudy } = (await response.json()) as ShownVideo;
  const etaMs = understudy.eta_seconds === null ? null : understudy.eta_seconds * secondMs;
  oversight.promises.note(jobId, { atMs, consent, mode, sentence, expectedAtMs: etaMs === null ? null : atMs + etaMs });
}

/** Of what nobody can have noticed yet, nothing can be promised. */
const isAnyoneSick = ({ workers, models, sickCards }: World): boolean =>
  models.broken.size > 0 ||
  [...workers.values()].some(
    ({ isAlive, isSick, deviceUuid }) => (isAlive && isSick) || sickCards.isHidden(deviceUuid),
  );

/** Reads every surface, and submits a job with each consent. */
export async function probePromises(
  world: World,
  submit: (consent: FallbackConsent) => Promise<void>,
  compare: (world: World) => Promise<readonly string[]>,
): Promise<void> {
  world.problems.push(...(await compare(world)));
  for (const consent of fallbackConsents) void submit(consent);
}
