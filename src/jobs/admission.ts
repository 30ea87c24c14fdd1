import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { UnderstudyError } from "../core/errors.ts";
import type { JobSpec, JobView } from "../core/job.ts";
import { peakBytes } from "../core/model-catalog.ts";
import type { DiskGauge } from "../core/ports/artifact-files.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { formatBytes } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import { findFit } from "./fit.ts";

export interface AdmissionPorts {
  readonly jobs: JobStore;
  readonly disk: Pick<DiskGauge, "freeBytes">;
  readonly clock: Clock;
  readonly chance: Chance;
  /** Memory of the largest card that serves; null while no worker has told it. */
  readonly deviceTotalBytes: () => number | null;
  readonly isDraining: () => boolean;
  readonly isSimulated: () => boolean;
  /** Called after the fsync, so that an idle pipeline claims at once. */
  readonly onAvailable: () => void;
}

export interface AdmissionLimits {
  readonly minFreeBytes: number;
  readonly deadlineMs: number;
  readonly preferredProfile: LoadProfile;
  readonly alternative: ModelId | null;
}

export interface Submission {
  readonly spec: JobSpec;
  readonly apiKeyId: string;
  readonly idempotencyKey: string | null;
  readonly idempotencyBody: string | null;
  readonly priority?: number;
  readonly deadlineMs?: number;
}

export type Admission =
  | { readonly kind: "accepted" | "duplicate"; readonly job: JobView }
  | { readonly kind: "conflict"; readonly jobId: string }
  | { readonly kind: "queueFull"; readonly limit: number }
  | { readonly kind: "unfit"; readonly message: string }
  | { readonly kind: "diskFull"; readonly freeBytes: number };

const diskLookMs = 1_000;

function unfitSentence(spec: JobSpec, totalBytes: number): string {
  const { request } = spec;
  const needed = formatBytes(peakBytes(request.model, request, "fp8"));
  const asked = `${request.width}x${request.height} with ${request.frames} frames`;
  return `Insufficient VRAM for generation. ${asked} needs at least ${needed} in the leanest memory mode; this card has ${formatBytes(totalBytes)}.`;
}

export interface AdmissionDesk {
  submit(submission: Submission): Promise<Admission>;
}

/** Decides whether a submission is taken, and takes it durably. Throws UnderstudyError DRAINING while the service stops. */
export function createAdmission(ports: AdmissionPorts, limits: AdmissionLimits): AdmissionDesk {
  let disk = { freeBytes: Number.POSITIVE_INFINITY, atMs: Number.NEGATIVE_INFINITY };
  const freeBytes = async (): Promise<number> => {
    const nowMs = ports.clock.nowMs();
    if (nowMs - disk.atMs >= diskLookMs) disk = { freeBytes: await ports.disk.freeBytes(), atMs: nowMs };
    return disk.freeBytes;
  };
  const fits = (spec: JobSpec): boolean => {
    const totalBytes = ports.deviceTotalBytes();
    if (totalBytes === null || spec.workflow !== null) return true;
    const { preferredProfile: preferred, alternative } = limits;
    return findFit({ request: spec.request, consent: spec.consent, totalBytes, preferred, alternative }) !== null;
  };
  return {
    submit: async (submission) => {
      if (ports.isDraining())
        throw new UnderstudyError("DRAINING", "The service is stopping; submit again after it has started.", { retryable: true });
      const free = await freeBytes();
      if (free < limits.minFreeBytes) return { kind: "diskFull", freeBytes: free };
      if (!fits(submission.spec)) return { kind: "unfit", message: unfitSentence(submission.spec, ports.deviceTotalBytes() ?? 0) };
      const outcome = await ports.jobs.submit({
        id: ports.chance.uuid(),
        spec: submission.spec,
        apiKeyId: submission.apiKeyId,
        idempotencyKey: submission.idempotencyKey,
        idempotencyBody: submission.idempotencyBody,
        priority: submission.priority ?? 0,
        deadlineAtMs: ports.clock.nowMs() + (submission.deadlineMs ?? limits.deadlineMs),
        isSimulated: ports.isSimulated(),
      });
      if (outcome.kind === "created") ports.onAvailable();
      if (outcome.kind === "conflict" || outcome.kind === "queueFull") return outcome;
      return { kind: outcome.kind === "created" ? "accepted" : "duplicate", job: outcome.job };
    },
  };
}
