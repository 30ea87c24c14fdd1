import type { Supervisor } from "../../machines/supervisor-view.ts";
import { actedOnConfidence } from "../../recovery/leak.ts";
import type { Figures } from "../../telemetry/metrics/metrics.ts";
import type { DrillDesk } from "../drills/drill-operations.ts";
import type { StatusParts } from "./service-status.ts";

type ScrapeParts = Pick<StatusParts, "store" | "clock" | "leaks">;

function exhaustionInMs({ leaks, clock }: ScrapeParts, workerId: string): number | null {
  const trend = leaks.trendOf(workerId);
  if (trend === null || trend.limitAtMs === null || trend.confidence < actedOnConfidence) return null;
  return Math.max(0, trend.limitAtMs - clock.nowMs());
}

/** How things stand when somebody scrapes. */
export async function figuresOf(
  parts: ScrapeParts,
  supervisor: Supervisor,
  drills: Pick<DrillDesk, "list">,
): Promise<Figures> {
  const { store, clock, leaks } = parts;
  const [counts, waitingSinceMs, known] = await Promise.all([
    store.jobs.counts(),
    store.jobs.waitingSinceMs(),
    drills.list(),
  ]);
  const { context } = supervisor.getSnapshot();
  return {
    mode: context.mode,
    openIncidentCount: Object.keys(context.incidents).length,
    queue: {
      queuedCount: counts.queued,
      runningCount: counts.running,
      longestWaitMs: waitingSinceMs === null ? null : Math.max(0, clock.nowMs() - waitingSinceMs),
    },
    workers: Object.entries(context.workers).map(([id, { process, breaker, jobId }]) => ({
      id,
      condition: process,
      breaker,
      isBusy: jobId !== null,
      residueBytes: leaks.residueOf(id),
      exhaustionInMs: exhaustionInMs(parts, id),
    })),
    passedDrills: known.flatMap(({ name, cards }) => {
      const passed = cards.find(({ isPassed }) => isPassed);
      return passed === undefined ? [] : [{ drill: name, atMs: passed.endedAtMs }];
    }),
  };
}
