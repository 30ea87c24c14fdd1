/**
 * Prints the score cards of drills, and says as what each drill's fault must be recognised; both suites of drills are
 * judged by it.
 */
import type { DrillStageWire, ScoreCardWire } from "../../src/contract/drill-wire.ts";
import { type RunningService, until } from "./running-service.ts";

const seconds = ({ took_ms: ms }: DrillStageWire): string =>
  ms === null || ms === undefined ? "-" : (ms / 1_000).toFixed(1);

export function printCards(cards: readonly ScoreCardWire[]): void {
  console.table(
    Object.fromEntries(
      cards.map((card) => [
        card.drill,
        {
          "known as": card.recognised_as.join(" "),
          done: card.actions.join("; "),
          "told s": seconds(card.stages.told),
          "watchable s": seconds(card.stages.watchable),
          "delivered s": seconds(card.stages.delivered),
          "recovered s": seconds(card.stages.recovered),
          "bystander s": seconds(card.stages.bystander),
          lost: card.jobs_lost,
          "false claims": card.false_claims.length,
        },
      ]),
    ),
  );
}

export const isCalm = (service: RunningService, limitMs = 120_000): Promise<unknown> =>
  until(
    "the service is ready and no incident is open",
    async () => {
      const { body } = await service.json<{ mode: string; open_incidents: unknown[] }>("/api/v1/recovery/status");
      return body.mode === "ready" && body.open_incidents.length === 0;
    },
    limitMs,
  );

/** What each fault must be known as; none may stay unknown. */
export const expectedCodes: Readonly<Record<string, RegExp>> = {
  kill: /WORKER_EXITED/,
  "repeated-crash": /WORKER_EXITED/,
  stop: /WORKER_SILENT/,
  flapping: /WORKER_EXITED/,
  "bad-request": /WORKER_ERROR/,
  "bad-request-two-workers": /WORKER_ERROR/,
  "memory-sick": /GPU_OUT_OF_MEMORY/,
  "out-of-memory-passing": /GPU_OUT_OF_MEMORY/,
  hang: /WORKER_STALLED|WORKER_SILENT/,
  stall: /WORKER_STALLED/,
  "out-of-memory-encode": /GPU_OUT_OF_MEMORY/,
  "out-of-memory-denoise": /GPU_OUT_OF_MEMORY/,
  "out-of-memory-decode": /GPU_OUT_OF_MEMORY/,
  "poisoned-context": /GPU_CONTEXT_POISONED/,
  "corrupt-output": /OUTPUT_INVALID/,
  "corrupt-model": /MODEL_/,
};
