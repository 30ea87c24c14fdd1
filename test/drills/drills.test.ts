/**
 * Every drill on the real simulator process, as a table: what each fault was known as, what was done, and what the owners
 * of jobs saw of it, and when.
 */
import { afterAll, describe, expect, it } from "vitest";
import { drills } from "../../src/app/drills/drill-list.ts";
import { type ScoreCardWire, scoreCardSchema } from "../../src/contract/drill-wire.ts";
import { endService, makeStateDir, type RunningService, startService } from "../harness/running-service.ts";
import { expectedCodes, isCalm, printCards } from "../harness/score-cards.ts";

const cards: ScoreCardWire[] = [];
afterAll(() => printCards(cards));

/** Each drill stands alone: no cooldown of the one before it, no back-off that grew with it, and memory modes come back soon. */
const env = {
  UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
  UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
  UNDERSTUDY_SUPERVISION_RICHER_AFTER: "15s",
  UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100",
};

const services: [sentence: string, names: readonly string[], args: readonly string[]][] = [
  ["drills", drills.filter(({ workerCount = 1 }) => workerCount === 1).map(({ name }) => name), []],
  [
    "drills of two workers",
    drills.filter(({ workerCount = 1 }) => workerCount === 2).map(({ name }) => name),
    ["--sim-gpus", "2"],
  ],
];

describe.each(services)("%s", { timeout: 600_000 }, (_, names, args) => {
  const directory = makeStateDir();
  let service: RunningService | null = null;
  afterAll(async () => {
    if (service !== null) await endService(service);
    directory.remove();
  });

  it.each(names)("%s", async (name) => {
    service ??= await startService({ stateDir: directory.path, env, args });
    await isCalm(service);
    const { status, body } = await service.json(`/api/v1/recovery/drills/${name}`, { method: "POST" });
    expect([status, body]).toMatchObject([200, { drill: name }]);
    const card = scoreCardSchema.parse(body);
    cards.push(card);
    expect(card).toMatchObject({ passed: true, jobs_lost: 0, false_claims: [] });
    expect(card.recognised_as.join(" ")).toMatch(expectedCodes[name] ?? /^(?!.*WORKER_ERROR)/);
  });
});
