/** Every drill on the real simulator process, as a table: what each fault was known as, what was done, and how long it took. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drills } from "../../src/app/drills/drill-list.ts";
import { type ScoreCardWire, scoreCardSchema } from "../../src/contract/drill-wire.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

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
  const seconds = (ms: number | null): string => (ms === null ? "-" : (ms / 1_000).toFixed(1));
  console.table(
    Object.fromEntries(
      cards.map((card) => [
        card.drill,
        {
          "known as": card.recognised_as.join(" "),
          done: card.actions.join("; "),
          "detected s": seconds(card.detected_ms),
          "answered s": seconds(card.answered_ms),
          "recovered s": seconds(card.recovered_ms),
          lost: card.jobs_lost,
          "false claims": card.false_claims.length,
        },
      ]),
    ),
  );
  await endService(service);
  directory.remove();
});

const calm = (): Promise<unknown> =>
  until(
    "the service is ready and no incident is open",
    async () => {
      const { body } = await service.json<{ mode: string; open_incidents: unknown[] }>("/api/v1/recovery/status");
      return body.mode === "ready" && body.open_incidents.length === 0;
    },
    120_000,
  );

/** What each fault must be known as; none may stay unknown. */
const expected: Readonly<Record<string, RegExp>> = {
  kill: /WORKER_EXITED/,
  "repeated-crash": /WORKER_EXITED/,
  stop: /WORKER_SILENT/,
  hang: /WORKER_STALLED|WORKER_SILENT/,
  stall: /WORKER_STALLED/,
  "out-of-memory-encode": /GPU_OUT_OF_MEMORY/,
  "out-of-memory-denoise": /GPU_OUT_OF_MEMORY/,
  "out-of-memory-decode": /GPU_OUT_OF_MEMORY/,
  "poisoned-context": /GPU_CONTEXT_POISONED/,
  "corrupt-output": /OUTPUT_INVALID/,
  "corrupt-model": /MODEL_/,
};

describe("drills", { timeout: 400_000 }, () => {
  it.each(drills.map(({ name }) => name))("%s", async (name) => {
    await calm();
    const { status, body } = await service.json(`/api/v1/recovery/drills/${name}`, { method: "POST" });
    expect([status, body]).toMatchObject([200, { drill: name }]);
    const card = scoreCardSchema.parse(body);
    cards.push(card);
    expect(card).toMatchObject({ passed: true, jobs_lost: 0, false_claims: [] });
    expect(card.recognised_as.join(" ")).toMatch(expected[name] ?? /^(?!.*WORKER_ERROR)/);
  });
});
