/**
 * Every drill on the real worker with a tiny Wan, on the processor: what each fault was known as, what was done, and how
 * long it took. The worker is the diffusers worker; test/fixtures/tiny-wan/faulty_worker.py plays the cards.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drills } from "../../src/app/drills/drill-list.ts";
import { type ScoreCardWire, scoreCardSchema } from "../../src/contract/drill-wire.ts";
import { installedPython } from "../../src/workers/diffusers-command.ts";
import { endService, makeStateDir, type RunningService, startService } from "../harness/running-service.ts";
import { expectedCodes, isCalm, printCards } from "../harness/score-cards.ts";
import { startTinyHub, type TinyHub } from "../worker/tiny-hub.ts";

const directory = makeStateDir();
const stateDir = join(directory.path, "state");
const faulty = fileURLToPath(new URL("../fixtures/tiny-wan/faulty_worker.py", import.meta.url));
let tiny: TinyHub;
let service: RunningService;
const cards: ScoreCardWire[] = [];
/** One worker, because a processor has one model's room and time. */
const ofOneWorker = drills.filter(({ workerCount = 1 }) => workerCount === 1).map(({ name }) => name);

/** An interpreter that starts the faulty worker, whatever module it is asked for; the process is replaced, not wrapped. */
function makeInterpreter(): string {
  const path = join(directory.path, "python");
  writeFileSync(path, `#!/bin/sh\nexec ${installedPython} -B ${faulty}\n`);
  chmodSync(path, 0o755);
  return path;
}

beforeAll(async () => {
  mkdirSync(stateDir);
  tiny = await startTinyHub(directory.path);
  service = await startService({
    stateDir,
    limitMs: 60_000,
    env: {
      ...tiny.env,
      UNDERSTUDY_RENDERER_PYTHON: makeInterpreter(),
      UNDERSTUDY_SUPERVISION_CHECKPOINT: "1ms",
      // Each drill stands alone: no cooldown of the one before it, no back-off that grew with it, and room for every repair.
      UNDERSTUDY_RECOVERY_COOLDOWN: "0s",
      UNDERSTUDY_RECOVERY_BUDGET_ACTIONS: "200",
      UNDERSTUDY_RECOVERY_BREAKER_REPAIRS: "100",
      UNDERSTUDY_SUPERVISION_BACKOFF_LONGEST: "1s",
      UNDERSTUDY_SUPERVISION_RICHER_AFTER: "15s",
      UNDERSTUDY_SUPERVISION_CRASH_LOOP_DEATHS: "100",
    },
  });
}, 300_000);
afterAll(async () => {
  printCards(cards);
  await endService(service);
  await tiny.hub.stop();
  directory.remove();
});

describe("drills on the real worker", { timeout: 900_000 }, () => {
  it.each(ofOneWorker)("%s", async (name) => {
    await isCalm(service, 300_000);
    const { status, body } = await service.json(`/api/v1/recovery/drills/${name}`, { method: "POST" });
    expect([status, body]).toMatchObject([200, { drill: name }]);
    const card = scoreCardSchema.parse(body);
    cards.push(card);
    expect(card).toMatchObject({ passed: true, jobs_lost: 0, false_claims: [] });
    expect(card.recognised_as.join(" ")).toMatch(expectedCodes[name] ?? /^(?!.*WORKER_ERROR)/);
  });
});
