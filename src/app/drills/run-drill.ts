/**
 * Runs one drill in the live service: renders a bystander's job alone, submits the drill's job and a bystander's right
 * behind it, provokes the fault, waits for the recovery and scores it by what the owners saw.
 */
import { isDrillPassed, type ScoreCard } from "../../core/drill.ts";
import { minuteMs, secondMs } from "../../core/units.ts";
import type { Supervisor, SupervisorSnapshot } from "../../machines/supervisor-view.ts";
import type { AdmissionPort, ControlPort } from "../../server/server-ports.ts";
import { createDrillJobs, type DrillJobNeeds, type DrillJobs, waitFor } from "./drill-jobs.ts";
import type { Drill } from "./drill-list.ts";
import { type InflictNeeds, inflict, prepareFault } from "./inflict.ts";
import { DrillObserver, type ObserveNeeds } from "./observe-drill.ts";
import type { OwnerView } from "./owner-view.ts";

type DrillNeeds = ObserveNeeds & InflictNeeds & DrillJobNeeds;

/** The service as a drill asks it, and what a drill tells it. */
export interface DrilledSupervisor {
  readonly send: Supervisor["send"];
  getSnapshot(): {
    readonly context: Pick<SupervisorSnapshot["context"], "mode" | "incidents" | "pause" | "drain" | "cooldowns">;
  };
}

export interface DrillPorts {
  readonly parts: DrillNeeds;
  readonly supervisor: DrilledSupervisor;
  readonly admission: Pick<AdmissionPort, "submit">;
  readonly owner: OwnerView;
  readonly cancelJob: ControlPort["cancelJob"];
}

const lookEveryMs = 50;
const bystanderEveryMs = 4 * secondMs;
const beginWithinMs = 2 * minuteMs;
/** Beyond its limit a drill is watched this much longer, so that the score says how late it was. */
const giveUpFactor = 2;

const isSound = ({ supervisor, owner }: DrillPorts): boolean =>
  owner.status().mode === "ready" && Object.keys(supervisor.getSnapshot().context.incidents).length === 0;

/** Submits the drill's job and, right behind it, one of the bystander. */
async function submitBoth(drill: Drill, jobs: DrillJobs, observer: DrillObserver): Promise<string> {
  const jobId = await jobs.submitOwn(drill);
  observer.follow(jobId);
  observer.followBystander(await jobs.submitBystander());
  return jobId;
}

/** The bystander's further jobs come while the fault is dealt with. */
async function submitFurther({ parts }: DrillPorts, drill: Drill, jobs: DrillJobs, observer: DrillObserver) {
  for (let left = (drill.bystanderCount ?? 1) - 1; left > 0; left -= 1) {
    await parts.clock.sleep(bystanderEveryMs);
    observer.followBystander(await jobs.submitBystander());
  }
}

/** Watches until all is as it was, or for so long that nobody believes in it any more. */
async function watch(ports: DrillPorts, observer: DrillObserver, inflicted: Promise<unknown>, untilMs: number) {
  const { clock } = ports.parts;
  let isFaultOver = false;
  const over = inflicted.then(() => {
    isFaultOver = true;
  });
  const watched = (async () => {
    while (!(await observer.look(isFaultOver)) && clock.nowMs() < untilMs) await clock.sleep(lookEveryMs);
  })();
  await Promise.all([over, watched]);
}

/** Lays the fault, submits, and watches what comes of it; resolves when it is over or was given up. */
async function play(ports: DrillPorts, drill: Drill, jobs: DrillJobs, observer: DrillObserver): Promise<void> {
  const { parts, supervisor } = ports;
  const { fault, limits, shows = [] } = drill;
  if (shows.includes("memoryModeReturns")) await observer.keepProfiles();
  if (fault.kind === "loadCard") observer.strike();
  await prepareFault(parts, fault, supervisor);
  const jobId = await submitBoth(drill, jobs, observer);
  const nextJob = async (): Promise<string> => {
    await waitFor(parts.clock, "The end of the repair", () => (isSound(ports) ? true : null));
    const next = await jobs.submitOwn(drill);
    observer.follow(next);
    return next;
  };
  const untilMs = parts.clock.nowMs() + beginWithinMs + (limits.recovered ?? 0) * giveUpFactor;
  const inflicted = inflict(parts, fault, { jobId, observer, nextJob });
  const done = Promise.all([inflicted, submitFurther(ports, drill, jobs, observer)]);
  await watch(ports, observer, done, untilMs);
}

/** Does the fault to the running service, watches, and scores. The caller has made sure that nothing else is wrong. */
export async function runDrill(ports: DrillPorts, drill: Drill): Promise<ScoreCard> {
  const { parts, supervisor, admission, owner, cancelJob } = ports;
  const { clock } = parts;
  const startedAtMs = clock.nowMs();
  const jobs = createDrillJobs(parts, { submit: admission.submit, cancelJob });
  try {
    const aloneMs = await jobs.renderAlone();
    const observer = new DrillObserver(parts, supervisor, owner, { drill, aloneMs });
    await play(ports, drill, jobs, observer).finally(() => observer.end());
    const { limits, name } = drill;
    const card = { drill: name, startedAtMs, endedAtMs: clock.nowMs(), ...observer.score(), limits };
    return { ...card, isPassed: isDrillPassed(card) };
  } finally {
    await jobs.end();
  }
}
