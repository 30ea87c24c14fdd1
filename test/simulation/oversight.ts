/**
 * Everything that holds the simulated service to its word: promises, outcomes, waits, modes and answers. Switched on,
 * it reads every row, and its findings are problems of the world.
 */
import type { TimelineRow } from "../../src/core/events.ts";
import { createPromiseBook, type PromiseBook, type PromiseFigures } from "./promises.ts";
import { createRefutations, type Refutations } from "./refutations.ts";
import { createStanding, type Standing } from "./standing.ts";
import { createTriggerBook, type TriggerBook } from "./triggers.ts";
import type { World } from "./world.ts";

export interface OversightFigures extends PromiseFigures {
  /** Jobs that ended by a fault that was not their own. */
  innocentEnded: number;
  effectiveRefuted: number;
}

export interface Oversight {
  readonly promises: PromiseBook;
  readonly refutations: Refutations;
  readonly standing: Standing;
  readonly triggers: TriggerBook;
  innocentEndedCount: number;
  read(row: TimelineRow): void;
  /** What is found out by now; call after the timeline was read. */
  judge(world: World): void;
  figures(): OversightFigures;
}

export function createOversight(): Oversight {
  const promises = createPromiseBook();
  const refutations = createRefutations();
  const standing = createStanding();
  const triggers = createTriggerBook();
  let toldCount = 0;
  const oversight: Oversight = {
    promises,
    refutations,
    standing,
    triggers,
    innocentEndedCount: 0,
    read: (row) => {
      for (const reader of [promises, refutations, standing, triggers]) reader.read(row);
    },
    judge: (world) => {
      const nowMs = world.clock.nowMs();
      promises.judge(nowMs, world.disturbances.findAnyWithin);
      world.problems.push(
        ...promises.broken.slice(toldCount),
        ...refutations.findStanding(nowMs),
        ...standing.findLongWaits(world),
        ...standing.problems,
        ...triggers.findLies(),
      );
      toldCount = promises.broken.length;
    },
    figures: () => ({
      ...promises.figures,
      innocentEnded: oversight.innocentEndedCount,
      effectiveRefuted: refutations.standingCount,
    }),
  };
  return oversight;
}
