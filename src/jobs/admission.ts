/**
 * Decides whether a job is taken, before anything is written: whether the door is open, the disk has room and a card
 * can carry it. A job that is taken is durable before it is acknowledged.
 */
import type { EstimateView } from "../contract/service-views.ts";
import type { AdmissionOutcome, FieldProblem, Submission } from "../contract/submission.ts";
import type { Chance } from "../core/chance.ts";
import type { Clock } from "../core/clock.ts";
import { UnderstudyError } from "../core/errors.ts";
import type { ArtifactRef, JobSpec, RenderRequest } from "../core/job.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import type { ArtifactFiles, DiskGauge } from "../core/ports/artifact-files.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { withoutNulls } from "../core/present.ts";
import { formatBytes } from "../core/units.ts";
import type { LoadProfile, ModelId } from "../core/words.ts";
import type { ClipTime, ClipTimeQuestion } from "../recovery/clip-time.ts";
import { emptyEnvelopes, envelopeOf } from "../recovery/envelopes.ts";
import { clipWords, machineWords } from "../recovery/fit-sentences.ts";
import { type MachineFacts, type PlacementRow, placementRow } from "../recovery/placement.ts";
import { type FitQuestion, findFit, findSmaller, profilesFrom } from "./fit.ts";

export interface AdmissionPorts {
  readonly jobs: JobStore;
  readonly artifacts: Pick<ArtifactFiles, "publishBytes" | "remove">;
  readonly disk: Pick<DiskGauge, "freeBytes">;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly catalog: ModelCatalog;
  /** The largest card that serves, and the memory modes of its worker; null while no worker has told of them. */
  readonly largest: () => ServingMachine | null;
  /** Whether some worker offers the model. */
  readonly isOffered: (model: ModelId) => boolean;
  /** Why the file of this name below the LoRA directory cannot be applied; null where it can, or where nobody here can look. */
  readonly loraProblemOf: (name: string) => Promise<Pick<FieldProblem, "code" | "detail"> | null>;
  readonly clipTimeOf: (question: ClipTimeQuestion) => ClipTime;
  readonly isDraining: () => boolean;
  /** An operator lets nothing new in. */
  readonly isIntakeDrained: () => boolean;
  readonly isSimulated: () => boolean;
  /** The queue calls it after the fsync, so that an idle pipeline claims at once. */
  readonly onAvailable: () => void;
}

export interface ServingMachine {
  readonly machine: MachineFacts;
  readonly profiles: readonly LoadProfile[];
}

export interface AdmissionLimits {
  readonly minFreeBytes: number;
  readonly deadlineMs: number;
  readonly preferredProfile: LoadProfile;
  readonly alternative: ModelId | null;
  /** Whether any worker has a folder of LoRAs. */
  readonly takesLoras: boolean;
}

const diskLookMs = 1_000;

/** Nothing that a single card has learned decides here: what it refuses for minutes, the queue can wait for. */
const rowOf = (
  catalog: ModelCatalog,
  machine: MachineFacts,
  request: RenderRequest,
  profile: LoadProfile,
): PlacementRow => placementRow(machine, envelopeOf(catalog, request), profile, emptyEnvelopes);

const questionOf = (
  catalog: ModelCatalog,
  { request, consent }: JobSpec,
  { machine, profiles }: ServingMachine,
  limits: AdmissionLimits,
): FitQuestion => ({
  request,
  consent,
  alternative: limits.alternative === null ? null : catalog.entryOf(limits.alternative),
  profiles: profilesFrom(limits.preferredProfile).filter((profile) => profiles.includes(profile)),
  resident: null,
  fits: (candidate, profile) => rowOf(catalog, machine, candidate, profile).verdict !== "tooLarge",
});

function unfitSentence(catalog: ModelCatalog, question: FitQuestion, machine: MachineFacts): string {
  const { request, profiles } = question;
  const rows = profiles.map((profile) => rowOf(catalog, machine, request, profile));
  const needed = formatBytes(Math.min(...rows.map(({ deviceBytes, hostBytes }) => deviceBytes || hostBytes)));
  const smaller = findSmaller(question);
  const advice =
    smaller === null
      ? "No smaller size of it fits either."
      : `${clipWords(smaller.request)} of ${smaller.request.model} would fit, in memory mode ${smaller.profile}.`;
  const host = rows.every(({ shortOf }) => shortOf === "host")
    ? ` and ${formatBytes(rows[0]?.hostBytes ?? 0)} of host memory`
    : "";
  return `Insufficient VRAM for generation. ${clipWords(request)} needs at least ${needed} in the leanest memory mode${host}; what serves is ${machineWords(machine)}. ${advice}`;
}

const notOffered = ({ catalog, isOffered }: AdmissionPorts, model: ModelId): FieldProblem => ({
  code: "REQUEST_INVALID",
  field: "model",
  detail: `must be one of ${catalog.ids.filter(isOffered).join(", ")}: no worker of this service offers ${model}`,
});

/** What a worker would refuse after a load of minutes: a look at the configuration and at the files refuses it now. */
async function findFieldProblem(ports: AdmissionPorts, { request }: JobSpec): Promise<FieldProblem | null> {
  const { model, loraPath, loras = [] } = request;
  if (!ports.isOffered(model)) return notOffered(ports, model);
  const named = [
    ...(loraPath === null ? [] : [{ field: "lora_path" as const, name: loraPath }]),
    ...loras.map(({ name }) => ({ field: "loras" as const, name })),
  ];
  for (const { field, name } of named) {
    const problem = await ports.loraProblemOf(name);
    if (problem !== null) return { ...problem, field };
  }
  return null;
}

const hasLoras = ({ request }: JobSpec): boolean => request.loraPath !== null || (request.loras ?? []).length > 0;
const noLoras = "LORA_UNSUPPORTED: this service has no folder of LoRAs (models.loraDir).";

const noCardYet = "No worker has told yet what its card is.";
const unreadable = "A workflow is opaque: what it takes shows when it has been rendered.";

const keepImage = (
  ports: AdmissionPorts,
  jobId: string,
  { bytes, mimeType }: NonNullable<Submission["image"]>,
): Promise<ArtifactRef> => ports.artifacts.publishBytes(bytes, { jobId, kind: "image", mimeType });

export interface Admission {
  submit(submission: Submission): Promise<AdmissionOutcome>;
  /** How such a job would be rendered now; a sentence where nothing can be said of it. */
  estimateOf(spec: JobSpec): EstimateView | string;
}

/** Why nobody is let in now, whatever they ask; null when the door is open. */
function closedDoor({ isDraining, isIntakeDrained }: AdmissionPorts): UnderstudyError | null {
  if (isDraining())
    return new UnderstudyError("DRAINING", "The service is stopping; submit again after it has started.", {
      retryable: true,
    });
  const detail =
    "An operator has drained the intake; submit again after it was resumed. What was accepted is rendered.";
  return isIntakeDrained()
    ? new UnderstudyError("INTAKE_DRAINED", detail, { retryable: true, details: { retryAfterMs: 60_000 } })
    : null;
}

/** Decides whether a submission is taken, and takes it durably. Throws UnderstudyError DRAINING or INTAKE_DRAINED while nothing is taken. */
export function createAdmission(ports: AdmissionPorts, limits: AdmissionLimits): Admission {
  let disk = { freeBytes: Number.POSITIVE_INFINITY, atMs: Number.NEGATIVE_INFINITY };
  const freeBytes = async (): Promise<number> => {
    const nowMs = ports.clock.nowMs();
    if (nowMs - disk.atMs >= diskLookMs) disk = { freeBytes: await ports.disk.freeBytes(), atMs: nowMs };
    return disk.freeBytes;
  };
  /** Judges how the machine carries a job, or why it cannot; null when no worker has told its size yet. */
  const judge = (spec: JobSpec): EstimateView | string | null => {
    const serving = ports.largest();
    if (serving === null || spec.workflow !== null) return null;
    const { machine } = serving;
    const { catalog } = ports;
    const question = questionOf(catalog, spec, serving, limits);
    const fit = findFit(question);
    if (fit === null) return unfitSentence(catalog, question, machine);
    const { request, profile } = fit;
    const { deviceBytes, hostBytes } = rowOf(catalog, machine, request, profile);
    const model = catalog.entryOf(request.model);
    const time = ports.clipTimeOf({ device: machine.device, model, clip: request, profile });
    return { profile, deviceBytes, hostBytes, time };
  };
  return {
    estimateOf: (spec) => judge(spec) ?? (spec.workflow === null ? noCardYet : unreadable),
    submit: async (submission) => {
      const closed = closedDoor(ports);
      if (closed !== null) throw closed;
      const free = await freeBytes();
      if (free < limits.minFreeBytes) return { kind: "diskFull", freeBytes: free };
      if (hasLoras(submission.spec) && !limits.takesLoras) return { kind: "loraUnsupported", message: noLoras };
      const problem = await findFieldProblem(ports, submission.spec);
      if (problem !== null) return { kind: "invalid", ...problem };
      const estimate = judge(submission.spec);
      if (typeof estimate === "string") return { kind: "unfit", message: estimate };
      const id = ports.chance.uuid();
      // A crash from here to the job's row leaves a file that nobody names, which is swept.
      const image = submission.image === undefined ? null : await keepImage(ports, id, submission.image);
      const { spec } = submission;
      const outcome = await ports.jobs.submit({
        id,
        spec: image === null ? spec : { ...spec, request: { ...spec.request, imageName: image.name } },
        ...withoutNulls({ image }),
        apiKeyId: submission.apiKeyId,
        idempotencyKey: submission.idempotencyKey,
        idempotencyBody: submission.idempotencyBody,
        priority: submission.priority ?? 0,
        deadlineAtMs: ports.clock.nowMs() + (submission.deadlineMs ?? limits.deadlineMs),
        isSimulated: ports.isSimulated(),
        labels: submission.labels ?? [],
        webhookUrl: submission.webhookUrl ?? null,
        retryOf: submission.retryOf ?? null,
      });
      if (outcome.kind === "created") ports.onAvailable();
      else if (image !== null) await ports.artifacts.remove(image.name);
      if (outcome.kind === "conflict" || outcome.kind === "queueFull") return outcome;
      return { kind: outcome.kind === "created" ? "accepted" : "duplicate", job: outcome.job, estimate };
    },
  };
}
