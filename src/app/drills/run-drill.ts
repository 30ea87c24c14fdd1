/**
 * Runs one drill in the live service: submits a job of its own, provokes the fault while it renders, waits for the
 * recovery and scores it.
 */
import type { Config } from "../../config/schema.ts";
import type { Chance } from "../../core/chance.ts";
import type { Clock } from "../../core/clock.ts";
import { isDrillPassed, type ScoreCard } from "../../core/drill.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { JobProgress, RenderRequest } from "../../core/job.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { canaryRequest } from "../../core/model-figures.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { WorkerHost } from "../../core/ports/worker.ts";
import { minuteMs } from "../../core/units.ts";
import type { Supervisor, SupervisorSnapshot } from "../../machines/supervisor-view.ts";
import type { AdmissionPort } from "../../server/server-ports.ts";
import type { WorkerLink, WorkerLinks } from "../workers/worker-links.ts";
import type { Drill } from "./drill-list.ts";
import type { DrillState } from "./drill-state.ts";
import { DrillObserver, type ObserveNeeds } from "./observe-drill.ts";

interface DrillNeeds extends ObserveNeeds {
  readonly clock: Clock;
  readonly catalog: ModelCatalog;
  readonly chance: Pick<Chance, "next">;
  readonly store: Pick<Store, "events" | "jobs" | "facts">;
  readonly config: Pick<Config, "lead" | "workers">;
  readonly host: Pick<WorkerHost, "signal">;
  readonly links: Pick<WorkerLinks, "get" | "list">;
  readonly progress: { of(jobId: string): Pick<JobProgress, "phase" | "step" | "workerId"> | null };
  readonly drill: DrillState;
}

/** The service as a drill asks it, and what a drill tells it. */
export interface DrilledSupervisor {
  readonly send: Supervisor["send"];
  getSnapshot(): {
    readonly context: Pick<
      SupervisorSnapshot["context"],
      "mode" | "workers" | "incidents" | "pause" | "drain" | "cooldowns"
    >;
  };
}

export interface DrillPorts {
  readonly parts: DrillNeeds;
  readonly supervisor: DrilledSupervisor;
  readonly admission: Pick<AdmissionPort, "submit">;
}

const lookEveryMs = 50;
const beginWithinMs = 2 * minuteMs;
/** Beyond its target a drill is watched this much longer, so that the score says how late it was. */
const giveUpFactor = 3;

/**
 * The drill's render is small, and long enough that something can be done to it in the middle. A test card in its
 * prompt is for simulators.
 */
function drillRequest(
  { catalog, config, chance }: Pick<DrillNeeds, "catalog" | "config" | "chance">,
  drill: Drill,
): RenderRequest {
  const { lead, workers } = config;
  const model = catalog.entryOf(lead);
  const isSimulated = workers.every((worker) => worker.kind === "simulator");
  const { width, height } = isSimulated ? { width: 832, height: 480 } : canaryRequest(model);
  return {
    model: lead,
    prompt: drill.fault.kind === "card" ? `a recovery drill [[sim:${drill.fault.card}]]` : "a recovery drill",
    width,
    height,
    frames: 33,
    framesPerSecond: model.framesPerSecond,
    steps: 30,
    seed: Math.floor(chance.next() * 1_000_000),
    loraPath: null,
    loraStrength: 1,
  };
}

async function submit({ parts, admission }: DrillPorts, drill: Drill): Promise<string> {
  const outcome = await admission.submit({
    spec: {
      request: drillRequest(parts, drill),
      consent: { fallback: "stand_in_then_real", allow: [], floor: null },
      workflow: null,
    },
    apiKeyId: "drill",
    idempotencyKey: null,
    idempotencyBody: null,
  });
  if (outcome.kind === "accepted" || outcome.kind === "duplicate") return outcome.job.id;
  throw new UnderstudyError("DRILL_NOT_POSSIBLE", `The drill's own job was not accepted (${outcome.kind}).`);
}

async function waitFor<Value>({ parts }: DrillPorts, what: string, find: () => Value | null): Promise<Value> {
  const untilMs = parts.clock.nowMs() + beginWithinMs;
  for (;;) {
    const found = find();
    if (found !== null) return found;
    if (parts.clock.nowMs() >= untilMs)
      throw new UnderstudyError("DRILL_NOT_POSSIBLE", `${what} did not come within two minutes.`);
    await parts.clock.sleep(lookEveryMs);
  }
}

/** The worker that is in the middle of denoising the drill's job. */
const waitForDenoise = (ports: DrillPorts, jobId: string): Promise<WorkerLink> =>
  waitFor(ports, "The drill's own render", () => {
    const progress = ports.parts.progress.of(jobId);
    return progress?.phase === "denoise" && progress.step >= 2 ? ports.parts.links.get(progress.workerId) : null;
  });

const waitForNextProcess = (ports: DrillPorts, former: WorkerLink): Promise<WorkerLink> =>
  waitFor(ports, "The next worker process", () => {
    const link = ports.parts.links.get(former.workerId);
    return link === null || link.ref.pid === former.ref.pid ? null : link;
  });

/** Carries the fault out; resolves when it is over, as far as it has an end of its own. */
async function inflict(ports: DrillPorts, { fault }: Drill, jobId: string, observer: DrillObserver): Promise<void> {
  const { clock, host, drill, progress } = ports.parts;
  const begin = (): void => observer.begin(clock.nowMs());
  if (fault.kind === "card") {
    await waitFor(ports, "The drill's own render", () =>
      progress.of(jobId)?.phase === fault.phase || observer.hasBegun ? true : null,
    );
    return begin();
  }
  if (fault.kind === "loadCard") return;
  let link = await waitForDenoise(ports, jobId);
  begin();
  if (fault.kind === "blind") {
    drill.hide(fault.what);
    await clock.sleep(fault.forMs);
    drill.show(fault.what);
    return;
  }
  host.signal(link.ref, fault.signal);
  for (let left = fault.times - 1; left > 0; left -= 1) {
    link = await waitForNextProcess(ports, link);
    host.signal(link.ref, fault.signal);
  }
}

/** Every worker loads its model again, and the load meets the fault. */
async function spoilLoads({ parts, supervisor }: DrillPorts, card: string): Promise<void> {
  for (const { workerId, client } of parts.links.list()) {
    await client.injectFault(card);
    supervisor.send({ type: "model.reload", workerId });
  }
}

async function isLost({ parts }: DrillPorts, jobId: string): Promise<boolean> {
  const job = await parts.store.jobs.get(jobId);
  return job === null || job.state === "failed" || job.state === "quarantined" || job.state === "cancelled";
}

/** Does the fault to the running service, watches, and scores. The caller has made sure that nothing else is wrong. */
export async function runDrill(ports: DrillPorts, drill: Drill): Promise<ScoreCard> {
  const { clock } = ports.parts;
  const startedAtMs = clock.nowMs();
  const { targets, isHarmless = false } = drill;
  const observer = new DrillObserver(ports.parts, ports.supervisor, isHarmless);
  if (drill.fault.kind === "loadCard") {
    observer.begin(clock.nowMs());
    await spoilLoads(ports, drill.fault.card);
  }
  const jobId = await submit(ports, drill);
  observer.follow(jobId);
  let isFaultOver = false;
  const inflicted = inflict(ports, drill, jobId, observer).then(() => {
    isFaultOver = true;
  });
  const giveUpAtMs = startedAtMs + beginWithinMs + targets.recoveredMs * giveUpFactor;
  try {
    const watched = (async () => {
      while (!(await observer.look(isFaultOver)) && clock.nowMs() < giveUpAtMs) await clock.sleep(lookEveryMs);
    })();
    await Promise.all([inflicted, watched]);
  } finally {
    observer.end();
  }
  const lostJobCount = (await isLost(ports, jobId)) ? 1 : 0;
  const card = { drill: drill.name, startedAtMs, endedAtMs: clock.nowMs(), ...observer.score(), lostJobCount, targets };
  return { ...card, isPassed: isDrillPassed(card) };
}
