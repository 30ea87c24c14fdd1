/**
 * Drills as operators ask for them. One runs at a time and only in a sound service: otherwise it would measure
 * something else.
 */
import { type KeptCard, readCard, type ScoreCard } from "../../core/drill.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { JobProgress } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import { present } from "../../core/present.ts";
import { secondMs } from "../../core/units.ts";
import type { Drill } from "./drill-list.ts";
import { drills, findDrill } from "./drill-list.ts";
import { createOwnerView } from "./owner-view.ts";
import { type DrillPorts, runDrill } from "./run-drill.ts";

const factKey = "drills";
const keptCardCount = 20;

interface DrillView extends Drill {
  /** Why it cannot be run here; null when it can. */
  readonly obstacle: string | null;
  /** Newest first. */
  readonly cards: readonly ScoreCard[];
}

export interface DrillOperations {
  list(): Promise<readonly DrillView[]>;
  /**
   * Resolves when the drill is over; with null for an unknown name. Throws UnderstudyError DRILL_NOT_POSSIBLE with the
   * reason.
   */
  run(name: string, by: string): Promise<ScoreCard | null>;
}

type Cards = Readonly<Record<string, readonly KeptCard[]>>;

/** What it needs beside the running drill: where its cards and rows are kept. */
interface OperationNeeds extends DrillPorts {
  readonly parts: DrillPorts["parts"] & { readonly store: Pick<Store, "events" | "jobs" | "facts"> };
}

const cardKinds: readonly Drill["fault"]["kind"][] = ["card", "loadCard", "workerCard"];

function obstacleOf({ parts }: OperationNeeds, { fault, workerCount = 1 }: Drill): string | null {
  const configuredCount = parts.config.workers.length;
  if (configuredCount < workerCount)
    return `This drill needs ${workerCount} workers, and this service has ${configuredCount}.`;
  const playsFaults = parts.links.list().every(({ client }) => client.identity.playsFaults === true);
  return cardKinds.includes(fault.kind) && !playsFaults
    ? "Only workers that play faults, such as the simulator, can be drilled so."
    : null;
}

/** A drill measures what one fault does: with anything else wrong, or with other jobs, it would measure that. */
function findHindrance({ parts, supervisor }: OperationNeeds): string | null {
  const { mode, incidents, pause, drain, cooldowns } = supervisor.getSnapshot().context;
  const calmAtMs = Math.max(0, ...Object.values(cooldowns));
  const nowMs = parts.clock.nowMs();
  if (parts.drill.current !== null) return `The drill ${parts.drill.current} is running; wait for its end.`;
  if (pause !== null) return "The service is paused; resume it first.";
  if (drain !== null) return "The intake is drained; resume it first.";
  if (mode !== "ready") return `The service is not ready (its mode is ${mode}); a drill starts from a sound service.`;
  if (Object.keys(incidents).length > 0) return "An incident is open; a drill starts from a sound service.";
  if (calmAtMs > nowMs)
    return `Recovery cools down after its last climb; try again in ${Math.ceil((calmAtMs - nowMs) / secondMs)} s.`;
  return null;
}

/** Runs drills, one at a time, and keeps their score cards. */
export function createDrillOperations(ports: OperationNeeds): DrillOperations {
  const { parts, supervisor } = ports;
  const { facts, events } = parts.store;
  const readCards = async (): Promise<Cards> => ((await facts.read(factKey)) as Cards | null) ?? {};
  const keep = async (card: ScoreCard, by: string): Promise<void> => {
    const cards = await readCards();
    const kept = [card, ...(cards[card.drill] ?? [])].slice(0, keptCardCount);
    const { drill, isPassed, times, lostJobCount, falseClaims } = card;
    const data = {
      drill,
      passed: isPassed,
      ...present({
        told_ms: times.told,
        watchable_ms: times.watchable,
        delivered_ms: times.delivered,
        recovered_ms: times.recovered,
        bystander_ms: times.bystander,
      }),
      lost_jobs: lostJobCount,
      false_claims: falseClaims,
    };
    await facts.write(factKey, { ...cards, [drill]: kept }, [{ kind: "drill.ended", actor: by, data }]);
  };
  return {
    list: async () => {
      const cards = await readCards();
      return drills.map((drill) => ({
        ...drill,
        obstacle: obstacleOf(ports, drill),
        cards: (cards[drill.name] ?? []).map(readCard),
      }));
    },
    run: async (name, by) => {
      const drill = findDrill(name);
      if (drill === null) return null;
      const hindrance = obstacleOf(ports, drill) ?? findHindrance(ports);
      if (hindrance !== null) throw new UnderstudyError("DRILL_NOT_POSSIBLE", hindrance);
      const { isSecret = false } = drill;
      parts.drill.begin(name, isSecret);
      if (!isSecret) supervisor.send({ type: "drill.began" });
      try {
        await events.append([{ kind: "drill.began", actor: by, data: { drill: name } }]);
        const card = await runDrill(ports, drill);
        await keep(card, by);
        return card;
      } finally {
        parts.drill.end();
        if (!isSecret) supervisor.send({ type: "drill.ended" });
      }
    },
  };
}

interface ServiceNeeds
  extends Omit<OperationNeeds, "owner">,
    Pick<Parameters<typeof createOwnerView>[0], "outlook" | "status"> {
  readonly parts: OperationNeeds["parts"] & { readonly progress: { of(jobId: string): JobProgress | null } };
}

/** Drills that look with the eyes of this service's owners. */
export function createDrills({ outlook, status, ...ports }: ServiceNeeds): DrillOperations {
  const { store, progress } = ports.parts;
  const owner = createOwnerView({ jobs: store.jobs, outlook, progressOf: progress.of, status });
  return createDrillOperations({ ...ports, owner });
}
