/** Gives the stand-in dispatcher what this service promises, and tells when a stand-in could not be made. */
import type { Clock } from "../../core/clock.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { Media } from "../../core/ports/media.ts";
import { StandInDispatcher } from "../../jobs/stand-in-dispatcher.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Promises } from "./promises.ts";

export interface StandInNeeds {
  readonly clock: Clock;
  readonly store: Pick<Store, "jobs">;
  readonly artifacts: ArtifactFiles;
  readonly media: Media;
  readonly logger: Pick<Logger, "warn">;
}

export const createStandIns = (
  { clock, store, artifacts, media, logger }: StandInNeeds,
  promises: Pick<Promises, "answersDue" | "ofJob">,
): StandInDispatcher =>
  new StandInDispatcher(
    { jobs: store.jobs, artifacts, media, clock },
    {
      answersDue: promises.answersDue,
      promiseOf: promises.ofJob,
      onProblem: (message, jobId) => logger.warn({ event: "standIn.failed", jobId, message }),
    },
  );
