/**
 * Gives the stand-in dispatcher what this service knows: whether real output has a way, what keeps stand-ins back, and
 * the reason that is written into the picture.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Media } from "../../core/ports/media.ts";
import type { Mode, ModelId } from "../../core/words.ts";
import { StandInDispatcher } from "../../jobs/stand-in-dispatcher.ts";
import type { Logger } from "../../telemetry/logger.ts";

export interface StandInNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "jobs">;
  readonly artifacts: ArtifactFiles;
  readonly media: Media;
  readonly config: Pick<Config, "standIn">;
  readonly logger: Pick<Logger, "warn">;
  readonly diskWatch: { isShort(): boolean };
  readonly unavailableModels: { lost(): ReadonlyMap<ModelId, number> };
}

interface ServiceView {
  getSnapshot(): {
    readonly context: { readonly isProcessorShort: boolean; readonly pause: object | null; readonly mode: Mode };
  };
}

/** Stand-ins as this service makes them: when they are held, and what each says of the reason. */
export function createStandIns(
  { clock, store, artifacts, media, config, logger, diskWatch, unavailableModels }: StandInNeeds,
  supervisor: ServiceView,
  routeLostAtMs: () => number | null,
): StandInDispatcher {
  return new StandInDispatcher(
    { jobs: store.jobs, artifacts, media, clock },
    {
      routeLostAtMs,
      lostModels: unavailableModels.lost,
      isHeld: () => supervisor.getSnapshot().context.pause !== null,
      isHostShort: () => diskWatch.isShort() || supervisor.getSnapshot().context.isProcessorShort,
      reason: (model) => {
        if (routeLostAtMs() === null) return `${model} could not be loaded`;
        if (diskWatch.isShort()) return "the disk is full";
        return supervisor.getSnapshot().context.mode === "loading"
          ? "the main model is loading"
          : "the main model is being repaired";
      },
      get afterMs() {
        return config.standIn.afterMs;
      },
      onProblem: (message, jobId) => logger.warn({ event: "standIn.failed", jobId, message }),
    },
  );
}
