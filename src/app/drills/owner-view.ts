/**
 * What the owner of a job can see at one moment: the job as its public route answers it, its outlook, and what the
 * service says of itself. A drill judges by this alone what an owner was told.
 */
import type { JobDetail } from "../../contract/jobs-wire.ts";
import { toJobDetail } from "../../contract/jobs-wire.ts";
import type { JobProgress, JobView } from "../../core/job.ts";
import type { Store } from "../../core/ports/event-log.ts";
import type { PromiseKind } from "../../core/words.ts";
import type { JobOutlook, OutlookPort, ServiceStatus } from "../../server/server-ports.ts";

export interface OwnerNeeds {
  readonly jobs: Pick<Store["jobs"], "get">;
  readonly outlook: OutlookPort;
  readonly progressOf: (jobId: string) => JobProgress | null;
  readonly status: () => ServiceStatus;
}

export interface OwnerLook {
  /** The row itself, for what is compared with what is shown; the owner sees `shown`. */
  readonly job: JobView;
  readonly shown: JobDetail;
  readonly outlook: JobOutlook;
  readonly service: ServiceStatus;
}

export interface OwnerView {
  /** Null when there is no such job. */
  look(jobId: string): Promise<OwnerLook | null>;
  status(): ServiceStatus;
}

/** The eyes of an owner: what the routes would answer now. */
export function createOwnerView({ jobs, outlook, progressOf, status }: OwnerNeeds): OwnerView {
  return {
    status,
    look: async (jobId) => {
      const job = await jobs.get(jobId);
      if (job === null) return null;
      const estimate = "A drill asks for no estimate.";
      const about = { progress: progressOf(jobId), deliveries: [], estimate, outlook: await outlook.of(job) };
      return { job, shown: toJobDetail(job, about), outlook: about.outlook, service: status() };
    },
  };
}

/** What an owner reads of host and card; null before the first check. */
type HealthText = Pick<NonNullable<ServiceStatus["health"]>, "overallStatus" | "issues"> | null;

const isWorseThan = (now: HealthText, before: HealthText): boolean =>
  now?.overallStatus !== before?.overallStatus ||
  (now?.issues ?? []).some((issue) => !(before?.issues ?? []).includes(issue));

export interface Before {
  readonly health: HealthText;
  /** The fault is about the host: what the service says of the host's health speaks of it. */
  readonly isAboutHost: boolean;
}

/** What a job is promised where its turn alone is not what it waits for. */
const promisesNoVideoYet: ReadonlySet<PromiseKind> = new Set(["standInThenReal", "standInOnly", "refused"]);

/**
 * Whether anything that the owner can read speaks of the trouble: a failed attempt, a stand-in, an incident, a mode
 * other than `ready`. A place in the queue, or a render that is said to go on, does not.
 */
export function isTold({ shown, outlook, service }: OwnerLook, before: Before): boolean {
  const ofJob =
    shown.is_mock ||
    shown.error !== undefined ||
    shown.attempts.some(({ error }) => error !== undefined) ||
    outlook.incidentId !== null ||
    (outlook.promised !== null && promisesNoVideoYet.has(outlook.promised.kind));
  const ofService =
    service.mode !== "ready" || service.openIncidents.length > 0 || (service.unreadyReason ?? null) !== null;
  return ofJob || ofService || (before.isAboutHost && isWorseThan(service.health, before.health));
}

/** Since when there is something that plays, a stand-in or the video; null while there is nothing. */
export function watchableSinceMs({ shown }: OwnerLook): number | null {
  const playable = shown.artifacts.filter(({ kind, url }) => (kind === "stand_in" || kind === "result") && url);
  return playable.length === 0 ? null : Math.min(...playable.map(({ created_at: at }) => Date.parse(at)));
}

/** The real video, as the owner is told; whether that is so is the claims' matter. */
export const isDelivered = ({ shown }: OwnerLook): boolean => shown.state === "succeeded" && !shown.is_mock;
