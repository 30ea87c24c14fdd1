/** Drills and their score cards on the wire. */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { type DrillStage, drillStages, lateStages, type ScoreCard } from "../core/drill.ts";
import { present, withoutNulls } from "../core/present.ts";

const ms = z.number().nonnegative();

const stageSchema = z.strictObject({
  /** Null where it was not reached; absent where nobody measured it. */
  took_ms: ms.nullable().optional(),
  /** Absent where the stage is not needed. */
  within_ms: ms.optional(),
  /** It was needed, and did not come in time. */
  late: z.boolean(),
});
export type DrillStageWire = z.infer<typeof stageSchema>;

export const scoreCardSchema = z
  .strictObject({
    drill: z.string(),
    passed: z.boolean(),
    started_at: z.iso.datetime(),
    took_ms: ms,
    /** What owners of jobs saw, and when: counted from the fault, and for the bystander from its submission. */
    stages: z.strictObject({
      /** The owner could read that something is wrong. */
      told: stageSchema,
      /** The owner had something to play: a stand-in or the video. */
      watchable: stageSchema,
      /** The owner had the real video. */
      delivered: stageSchema,
      /** All was as before. */
      recovered: stageSchema,
      /** Somebody else's healthy job took so much longer than it takes alone. */
      bystander: stageSchema,
    } satisfies Record<DrillStage, unknown>),
    /** What the bystander's job takes alone. */
    alone_ms: ms.optional(),
    jobs_lost: z.number().int().nonnegative(),
    false_claims: z.array(z.string()),
    recognised_as: z.array(z.string()),
    actions: z.array(z.string()),
    expectations: z.array(z.strictObject({ expected: z.string(), met: z.boolean() })),
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

function toStages(card: ScoreCard): ScoreCardWire["stages"] {
  const late = new Set(lateStages(card));
  const stages = drillStages.map((stage) => [
    stage,
    { ...present({ took_ms: card.times[stage], within_ms: card.limits[stage] }), late: late.has(stage) },
  ]);
  return Object.fromEntries(stages) as ScoreCardWire["stages"];
}

export function toScoreCard(card: ScoreCard): ScoreCardWire {
  return {
    drill: card.drill,
    passed: card.isPassed,
    started_at: isoOf(card.startedAtMs),
    took_ms: card.endedAtMs - card.startedAtMs,
    stages: toStages(card),
    ...withoutNulls({ alone_ms: card.aloneMs }),
    jobs_lost: card.lostJobCount,
    false_claims: [...card.falseClaims],
    recognised_as: [...card.recognisedAs],
    actions: [...card.actions],
    expectations: card.expectations.map(({ expected, isMet }) => ({ expected, met: isMet })),
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
