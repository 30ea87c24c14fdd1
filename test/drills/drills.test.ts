/** Every drill on the real simulator process, as a table: what each fault was known as, what was done, and how long it took. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drills } from "../../src/app/drills/drill-list.ts";
import { type ScoreCardWire, scoreCardSchema } from "../../src/contract/drill-wire.ts";
import { endService, makeStateDir, type RunningService, startService } from "../harness/running-service.ts";
import { expectedCodes, isCalm, printCards } from "../harness/score-cards.ts";

const directory = makeStateDir();
let service: RunningService;
const cards: ScoreCardWire[] = [];

beforeAll(async () => {
  service = await startService({
    stateDir: directory.path,
    // Each drill stands alone: no cooldown of the one before it, and no back-off that grew with it.
    env: {
      UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
      UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
      UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100",
    },
  });
});
afterAll(async () => {
  printCards(cards);
  await endService(service);
  directory.remove();
});

describe("drills", { timeout: 400_000 }, () => {
  it.each(drills.map(({ name }) => name))("%s", async (name) => {
    await isCalm(service);
    const { status, body } = await service.json(`/api/v1/recovery/drills/${name}`, { method: "POST" });
    expect([status, body]).toMatchObject([200, { drill: name }]);
    const card = scoreCardSchema.parse(body);
    cards.push(card);
    expect(card).toMatchObject({ passed: true, jobs_lost: 0, false_claims: [] });
    expect(card.recognised_as.join(" ")).toMatch(expectedCodes[name] ?? /^(?!.*WORKER_ERROR)/);
  });
});
