/** The jobs of a drill: its own, which meets the fault, and those of a bystander, which have nothing to do with it. */
import type { Config } from "../../config/schema.ts";
import type { Chance } from "../../core/chance.ts";
import type { Clock } from "../../core/clock.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { JobView, RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { canaryRequest } from "../../core/model-figures.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { minuteMs } from "../../core/units.ts";
import type { AdmissionPort, ControlPort } from "../../server/server-ports.ts";
import type { Drill } from "./drill-list.ts";

export interface DrillJobNeeds {
  readonly clock: Clock;
  readonly catalog: ModelCatalog;
  readonly chance: Pick<Chance, "next">;
  readonly config: Pick<Config, "lead" | "workers">;
  readonly store: Pick<Store, "jobs">;
}

const lookEveryMs = 50;
const beginWithinMs = 2 * minuteMs;

/** Waits for what has to come for there to be a drill at all. Throws UnderstudyError DRILL_NOT_POSSIBLE when it does not. */
export async function waitFor<Value>(
  clock: Clock,
  what: string,
  find: () => Promise<Value | null> | Value | null,
): Promise<Value> {
  const untilMs = clock.nowMs() + beginWithinMs;
  for (;;) {
    const found = await find();
    if (found !== null) return found;
    if (clock.nowMs() >= untilMs)
      throw new UnderstudyError("DRILL_NOT_POSSIBLE", `${what} did not come within two minutes.`);
    await clock.sleep(lookEveryMs);
  }
}

/** Long enough that something can be done to it in the middle. */
const ownSteps = 30;
/** A bystander's is as large, so that it needs the same memory, and soon done. */
const bystanderSteps = 8;

/** Small where a model renders it. */
function requestOf({ catalog, config, chance }: DrillJobNeeds, prompt: string, steps: number): RenderRequest {
  const { lead, workers } = config;
  const model = catalog.entryOf(lead);
  const isSimulated = workers.every((worker) => worker.kind === "simulator");
  const { width, height } = isSimulated ? { width: 832, height: 480 } : canaryRequest(model);
  return {
    model: lead,
    prompt,
    width,
    height,
    frames: 33,
    framesPerSecond: model.framesPerSecond,
    steps,
    seed: Math.floor(chance.next() * 1_000_000),
    loraPath: null,
    loraStrength: 1,
  };
}

export interface Door extends Pick<AdmissionPort, "submit"> {
  readonly cancelJob: ControlPort["cancelJob"];
}

async function submit(door: Door, request: RenderRequest, as: string): Promise<string> {
  const outcome = await door.submit({
    spec: {
      request,
      consent: { fallback: "stand_in_then_real", allow: [], floor: null },
      workflow: null,
    },
    apiKeyId: as,
    idempotencyKey: null,
    idempotencyBody: null,
  });
  if (outcome.kind === "accepted" || outcome.kind === "duplicate") return outcome.job.id;
  throw new UnderstudyError("DRILL_NOT_POSSIBLE", `The drill's own job was not accepted (${outcome.kind}).`);
}

export interface DrillJobs {
  /** The job that meets the fault. A test card in its prompt is for simulators. */
  submitOwn(drill: Pick<Drill, "fault">): Promise<string>;
  /** Somebody else's healthy job. */
  submitBystander(): Promise<string>;
  /** Renders a bystander's job with nothing else to do, and tells how long that takes from its submission to its video. */
  renderAlone(): Promise<number>;
  /** Ends what has not ended: a drill that was given up leaves nothing behind that waits, or goes on failing. */
  end(): Promise<void>;
}

export function createDrillJobs(parts: DrillJobNeeds, door: Door): DrillJobs {
  const submitted: string[] = [];
  const keep = async (request: RenderRequest, as: string): Promise<string> => {
    const jobId = await submit(door, request, as);
    submitted.push(jobId);
    return jobId;
  };
  const submitBystander = (): Promise<string> =>
    keep(requestOf(parts, "a bystander of a recovery drill", bystanderSteps), "drill-bystander");
  return {
    submitBystander,
    submitOwn: ({ fault }) => {
      const prompt = fault.kind === "card" ? `a recovery drill [[sim:${fault.card}]]` : "a recovery drill";
      return keep(requestOf(parts, prompt, ownSteps), "drill");
    },
    renderAlone: async () => {
      const jobId = await submitBystander();
      const ended = await waitFor<JobView>(parts.clock, "The render without a fault", async () => {
        const job = await parts.store.jobs.get(jobId);
        return job?.state === "succeeded" ? job : null;
      });
      return (ended.endedAtMs ?? ended.createdAtMs) - ended.createdAtMs;
    },
    end: async () => {
      for (const jobId of submitted) await door.cancelJob(jobId, "service");
    },
  };
}
