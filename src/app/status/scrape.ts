/** The figures of `/metrics` that are looked up at the scrape instead of being counted when something happens. */
import type { MemoryModeView } from "../../contract/service-views.ts";
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Mode } from "../../core/words.ts";
import type { OpenIncidents, WorkersFacts } from "../../machines/supervisor-facts.ts";
import { actedOnConfidence } from "../../recovery/leak.ts";
import type { Figures } from "../../telemetry/metrics/metrics.ts";
import type { LeakWatch } from "../workers/leak-watch.ts";

export interface ScrapeNeeds {
  readonly store: Pick<Store, "jobs">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly leaks: Pick<LeakWatch, "trendOf" | "residueOf">;
  readonly profileOf: (workerId: string) => MemoryModeView | null;
}

/** The drills that there are, with how they went, newest first. */
export interface DrillReader {
  list(): Promise<
    readonly {
      readonly name: string;
      readonly cards: readonly { readonly isPassed: boolean; readonly endedAtMs: number }[];
    }[]
  >;
}

interface ServiceView {
  getSnapshot(): {
    readonly context: { readonly mode: Mode; readonly workers: WorkersFacts; readonly incidents: OpenIncidents };
  };
}

function exhaustionInMs({ leaks, clock }: ScrapeNeeds, workerId: string): number | null {
  const trend = leaks.trendOf(workerId);
  if (trend === null || trend.limitAtMs === null || trend.confidence < actedOnConfidence) return null;
  return Math.max(0, trend.limitAtMs - clock.nowMs());
}

/** How things stand when somebody scrapes. */
export async function figuresOf(parts: ScrapeNeeds, supervisor: ServiceView, drills: DrillReader): Promise<Figures> {
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
      memoryMode: parts.profileOf(id),
    })),
    passedDrills: known.flatMap(({ name, cards }) => {
      const passed = cards.find(({ isPassed }) => isPassed);
      return passed === undefined ? [] : [{ drill: name, atMs: passed.endedAtMs }];
    }),
  };
}
