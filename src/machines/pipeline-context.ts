/**
 * The beginning of a pipeline: no worker is connected, and nothing is in hand. An adopted job comes in later, with the
 * worker that renders it.
 */
import { unknownLimits } from "../recovery/step-history.ts";
import { defaultPipelineLimits, type PipelineContext, type PipelineInput } from "./pipeline-types.ts";

/** The context of a pipeline that has no job in hand and no worker yet. */
export const contextOf = (input: PipelineInput): PipelineContext => ({
  workerId: input.workerId,
  parent: input.parent,
  clock: input.clock,
  limits: { ...defaultPipelineLimits, ...input.limits },
  isWorkerConnected: false,
  residentModel: null,
  admission: "all",
  suspendedBy: [],
  isServingStandIns: false,
  isStopping: false,
  isPaused: input.isPaused ?? false,
  lease: null,
  isUnderWay: false,
  longPhaseMs: null,
  stillSinceMs: null,
  stepLimits: unknownLimits,
  wantedModel: null,
  dueAtMs: null,
  report: null,
  committingJobId: null,
  commitCount: 0,
  settlement: null,
  hasNews: true,
});
