/**
 * Brings memory modes back: which one a worker could hold on its card, and one step towards it when it is idle and has had
 * the room for long enough. What recovery made leaner in a bad minute is so much slower ever after otherwise.
 */
import type { Config } from "../../config/schema.ts";
import type { MemoryModeView } from "../../contract/service-views.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import { profileFactors } from "../../core/model-figures.ts";
import type { WorkerIdentity, WorkerStats } from "../../core/ports/worker.ts";
import type { LoadProfile, ModelId } from "../../core/words.ts";
import { profilesFrom } from "../../jobs/fit.ts";
import { modelHeldBy, type Supervisor } from "../../machines/supervisor-view.ts";
import { type HostMemory, machineOf } from "../health/host-memory.ts";
import type { LearnedMemory } from "../rendering/learned.ts";
import type { WorkerLinks } from "../workers/worker-links.ts";
import { isIdle } from "./idle-worker.ts";
import type { LoadedProfiles } from "./loaded-profiles.ts";

export interface RicherNeeds {
  readonly config: Pick<Config, "loadProfile" | "workers">;
  readonly catalog: ModelCatalog;
  readonly links: Pick<WorkerLinks, "clientOf">;
  readonly hostMemory: Pick<HostMemory, "known">;
  readonly envelopes: Pick<LearnedMemory, "placeModel" | "fits">;
  readonly profiles: LoadedProfiles;
}

/** The richest mode, from the configured one on, in which this machine carries the model; null when it carries it in none. */
export function wholeProfileOf(parts: RicherNeeds, identity: WorkerIdentity, id: ModelId): LoadProfile | null {
  const machine = machineOf(identity, parts.hostMemory.known());
  return parts.envelopes.placeModel(machine, parts.catalog.entryOf(id), offeredBy(parts, identity)).profile;
}

const offeredBy = ({ config }: RicherNeeds, identity: WorkerIdentity): readonly LoadProfile[] =>
  profilesFrom(config.loadProfile).filter((profile) => identity.profiles.includes(profile));

/** A richer mode, and what the card must have free for the largest usual clip that it carries, in bytes. */
interface RicherProfile {
  readonly profile: LoadProfile;
  readonly neededBytes: number;
  readonly isRefuted: boolean;
}

/** The next mode that the machine carries above the one that is held; null when there is none. */
export function richerProfileOf(
  parts: RicherNeeds,
  identity: WorkerIdentity,
  { residentModel, profile: held }: Pick<WorkerStats, "residentModel" | "profile">,
): RicherProfile | null {
  if (residentModel === null || held === null) return null;
  const model = parts.catalog.entryOf(residentModel);
  const offered = offeredBy(parts, identity).filter((profile) => model.profiles[profile] !== undefined);
  const profile = offered[offered.indexOf(held) - 1];
  if (profile === undefined) return null;
  const machine = machineOf(identity, parts.hostMemory.known());
  const { clips } = parts.envelopes.placeModel(machine, model, [profile]);
  const largest = clips.find((clip) => clip.profile === profile);
  const row = largest?.rows[0];
  if (largest === undefined || row === undefined) return null;
  const { uuid: deviceUuid, totalBytes } = identity.device;
  const isRefuted = !parts.envelopes.fits({ deviceUuid, profile }, { model, ...largest.clip }, totalBytes);
  return { profile, neededBytes: row.deviceBytes, isRefuted };
}

/** Notes whether there is room for the next richer mode now. What the worker holds itself is free at a load. */
export function noteRoomOf(parts: RicherNeeds, workerId: string, identity: WorkerIdentity, stats: WorkerStats): void {
  const richer = richerProfileOf(parts, identity, stats);
  const reachableBytes = stats.memory.freeBytes + stats.memory.reservedBytes;
  parts.profiles.noteRoom(workerId, richer !== null && !richer.isRefuted && reachableBytes >= richer.neededBytes);
}

/** The same by the worker's id, for those who prepare a render; a worker that is gone has no room. */
export const createRoomLook =
  (parts: RicherNeeds) =>
  (workerId: string, stats: WorkerStats): void => {
    const identity = parts.links.clientOf(workerId)?.identity;
    if (identity !== undefined) noteRoomOf(parts, workerId, identity, stats);
  };

/**
 * Which model a worker holds, in which memory mode, and what that costs against the one that its card carries. Null while the
 * worker holds no model. Whoever tells what is loaded asks here.
 */
export function profileViewOf(
  parts: RicherNeeds,
  supervisor: Pick<Supervisor, "getSnapshot">,
  workerId: string,
): MemoryModeView | null {
  const model = modelHeldBy(supervisor.getSnapshot(), workerId)?.model;
  const identity = parts.links.clientOf(workerId)?.identity;
  if (model === undefined || identity === undefined) return null;
  const standing = parts.profiles.standingOf(workerId);
  const whole = wholeProfileOf(parts, identity, model) ?? standing.profile;
  const timeFactor = profileFactors[standing.profile].time / profileFactors[whole].time;
  return { model, ...standing, whole, timeFactor, isLean: timeFactor > 1 };
}

/** Looks at every idle worker, and lets one of them load one step richer when its time has come. */
export function createProfileReturn(
  parts: RicherNeeds,
  supervisor: Supervisor,
): (signal: AbortSignal) => Promise<void> {
  const lookAt = async (workerId: string, signal: AbortSignal): Promise<void> => {
    const client = parts.links.clientOf(workerId);
    const held = modelHeldBy(supervisor.getSnapshot(), workerId);
    if (client === null || held === null || !isIdle(supervisor, workerId)) return;
    const known = { residentModel: held.model, profile: parts.profiles.of(workerId) };
    // A worker in the mode that its card carries is asked nothing.
    if (richerProfileOf(parts, client.identity, known) === null) return;
    const stats = await client.stats(signal);
    noteRoomOf(parts, workerId, client.identity, stats);
    const richer = richerProfileOf(parts, client.identity, stats);
    if (richer === null || !parts.profiles.isDue(workerId) || !isIdle(supervisor, workerId)) return;
    parts.profiles.stepTo(workerId, richer.profile);
    supervisor.send({ type: "model.reload", workerId });
  };
  return async (signal) => {
    for (const { id } of parts.config.workers) await lookAt(id, signal);
  };
}
