/** Drills and their score cards on the wire. */
import { z } from "zod";
import type { ScoreCard } from "../core/drill.ts";
import { withoutNulls } from "../core/present.ts";

const ms = z.number().nonnegative();

export const scoreCardSchema = z
  .strictObject({
    drill: z.string(),
    passed: z.boolean(),
    started_at: z.iso.datetime(),
    took_ms: ms,
    /** Time since the fault; null where that stage was not reached. */
    detected_ms: ms.nullable(),
    answered_ms: ms.nullable(),
    recovered_ms: ms.nullable(),
    jobs_lost: z.number().int().nonnegative(),
    false_claims: z.array(z.string()),
    recognised_as: z.array(z.string()),
    actions: z.array(z.string()),
    targets: z.strictObject({ detected_ms: ms, answered_ms: ms, recovered_ms: ms }),
  })
  .meta({ id: "ScoreCard" });
export type ScoreCardWire = z.infer<typeof scoreCardSchema>;

export const drillListSchema = z
  .strictObject({
    drills: z.array(
      z.strictObject({
        name: z.string(),
        description: z.string(),
        /** Why it cannot be run here; absent when it can. */
        obstacle: z.string().optional(),
        /** Newest first. */
        score_cards: z.array(scoreCardSchema),
      }),
    ),
  })
  .meta({ id: "Drills" });

export function toScoreCard(card: ScoreCard): ScoreCardWire {
  const { targets } = card;
  return {
    drill: card.drill,
    passed: card.isPassed,
    started_at: new Date(card.startedAtMs).toISOString(),
    took_ms: card.endedAtMs - card.startedAtMs,
    detected_ms: card.detectedMs,
    answered_ms: card.answeredMs,
    recovered_ms: card.recoveredMs,
    jobs_lost: card.lostJobCount,
    false_claims: [...card.falseClaims],
    recognised_as: [...card.recognisedAs],
    actions: [...card.actions],
    targets: { detected_ms: targets.detectedMs, answered_ms: targets.answeredMs, recovered_ms: targets.recoveredMs },
  };
}

export interface DrillFacts {
  readonly name: string;
  readonly description: string;
  readonly obstacle: string | null;
  readonly cards: readonly ScoreCard[];
}

export const toDrillList = (drills: readonly DrillFacts[]): z.infer<typeof drillListSchema> => ({
  drills: drills.map(({ name, description, obstacle, cards }) => ({
    name,
    description,
    ...withoutNulls({ obstacle }),
    score_cards: cards.map(toScoreCard),
  })),
});
