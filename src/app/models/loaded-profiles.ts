/**
 * Remembers the memory mode of each worker between loads, and how it comes back: one step richer when there was room for
 * long enough, and back again when that fails. Without it a worker that recovery has made leaner would fail again at its
 * next load, or stay slow for ever.
 */
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../core/clock.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { hourMs } from "../../core/units.ts";
import { type LoadProfile, loadProfiles } from "../../core/words.ts";

/** A worker loads in another memory mode than before. */
export interface ProfileChange {
  readonly workerId: string;
  readonly from: LoadProfile;
  readonly to: LoadProfile;
  readonly why: string;
}

/** In which memory mode a worker loads next, since when, and why. */
interface ProfileStanding {
  readonly profile: LoadProfile;
  /** Null: as it is configured, from the start on. */
  readonly sinceMs: number | null;
  readonly why: string | null;
}

/** Which memory mode each worker loads with next; recovery's offload rung makes it leaner. */
export interface LoadedProfiles {
  of(workerId: string): LoadProfile;
  standingOf(workerId: string): ProfileStanding;
  /** @param why a sentence's end, such as `the worker holds its model so` */
  set(workerId: string, profile: LoadProfile, why: string): void;
  /** A new process has nothing of what the former one was made leaner for. */
  reset(workerId: string, why: string): void;
  /** There was, or was no, room for the next richer mode at this moment. */
  noteRoom(workerId: string, hasRoom: boolean): void;
  /** There was room for so long that the next richer mode is worth a load. */
  isDue(workerId: string): boolean;
  /** A job is rendered in this mode: a step where it is richer and a step is due, else a change like any other. */
  choose(workerId: string, profile: LoadProfile): void;
  /** Begins a step to a richer mode, which its next load tries. */
  stepTo(workerId: string, profile: LoadProfile): void;
  /** The step's load, or its test render, failed: the mode is as before, and the next step waits twice as long. False when none was tried. */
  stepBack(workerId: string, why: string): boolean;
  /** The worker renders as it was loaded; a step that was tried is made. */
  confirm(workerId: string): void;
}

interface Held extends ProfileStanding {
  readonly roomSinceMs: number | null;
  /** How long there must be room; null: as it is configured. */
  readonly waitMs: number | null;
  /** What a step began from. */
  readonly steppedFrom: LoadProfile | null;
  readonly steppedAtMs: number | null;
}

export interface LoadedProfilesOptions {
  /** The mode that is configured. */
  readonly first: LoadProfile;
  readonly clock: Pick<Clock, "nowMs">;
  /** How long there must be room before a step. */
  readonly richerAfterMs: () => number;
  readonly onChange: (change: ProfileChange) => void;
}

/** The wait between two steps that fail, at most. */
const longestWaitMs = hourMs;
/** A step is refuted by a leaner mode that follows it within this time. */
const refutedWithinMs = hourMs;

const isLeaner = (one: LoadProfile, other: LoadProfile): boolean =>
  loadProfiles.indexOf(one) > loadProfiles.indexOf(other);

const untouched = {
  sinceMs: null,
  why: null,
  roomSinceMs: null,
  waitMs: null,
  steppedFrom: null,
  steppedAtMs: null,
} satisfies Omit<Held, "profile">;

export function createLoadedProfiles({ first, clock, richerAfterMs, onChange }: LoadedProfilesOptions): LoadedProfiles {
  const workers = new Map<string, Held>();
  const heldBy = (workerId: string): Held => workers.get(workerId) ?? { ...untouched, profile: first };
  const waitOf = ({ waitMs }: Held): number => waitMs ?? richerAfterMs();
  const doubled = (held: Held): number => Math.min(2 * waitOf(held), Math.max(longestWaitMs, richerAfterMs()));
  const change = (workerId: string, to: LoadProfile, why: string, more: Partial<Held> = {}): void => {
    const held = heldBy(workerId);
    const isOther = held.profile !== to;
    const about = isOther ? { profile: to, sinceMs: clock.nowMs(), why, roomSinceMs: null } : {};
    workers.set(workerId, { ...held, ...about, ...more });
    if (isOther) onChange({ workerId, from: held.profile, to, why });
  };
  const set: LoadedProfiles["set"] = (workerId, profile, why) => {
    const held = heldBy(workerId);
    if (!isLeaner(profile, held.profile)) return change(workerId, profile, why);
    const isRefuted = held.steppedAtMs !== null && clock.nowMs() - held.steppedAtMs < refutedWithinMs;
    change(workerId, profile, why, { waitMs: isRefuted ? doubled(held) : null, steppedFrom: null, steppedAtMs: null });
  };
  const isDue: LoadedProfiles["isDue"] = (workerId) => {
    const held = heldBy(workerId);
    return held.roomSinceMs !== null && clock.nowMs() - held.roomSinceMs >= waitOf(held);
  };
  const stepTo: LoadedProfiles["stepTo"] = (workerId, profile) => {
    const { profile: steppedFrom } = heldBy(workerId);
    const why = "there was room for it all the time";
    change(workerId, profile, why, { steppedFrom, steppedAtMs: clock.nowMs() });
  };
  return {
    of: (workerId) => heldBy(workerId).profile,
    standingOf: (workerId) => {
      const { profile, sinceMs, why } = heldBy(workerId);
      return { profile, sinceMs, why };
    },
    set,
    reset: (workerId, why) => change(workerId, first, why, { steppedFrom: null }),
    noteRoom: (workerId, hasRoom) => {
      const held = heldBy(workerId);
      workers.set(workerId, { ...held, roomSinceMs: hasRoom ? (held.roomSinceMs ?? clock.nowMs()) : null });
    },
    isDue,
    choose: (workerId, profile) =>
      isDue(workerId) && isLeaner(heldBy(workerId).profile, profile)
        ? stepTo(workerId, profile)
        : set(workerId, profile, "a job is rendered so"),
    stepTo,
    stepBack: (workerId, why) => {
      const held = heldBy(workerId);
      if (held.steppedFrom === null) return false;
      const waitMs = doubled(held);
      change(workerId, held.steppedFrom, why, { waitMs, steppedFrom: null, steppedAtMs: null, roomSinceMs: null });
      return true;
    },
    confirm: (workerId) => {
      workers.set(workerId, { ...heldBy(workerId), steppedFrom: null });
    },
  };
}

interface KeepNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly config: Pick<Config, "loadProfile" | "supervision">;
  readonly store: { readonly events: Pick<EventLog, "note"> };
}

/** By the settings, and with a row of every change. */
export const keepProfiles = ({ clock, config, store }: KeepNeeds): LoadedProfiles =>
  createLoadedProfiles({
    first: config.loadProfile,
    clock,
    richerAfterMs: () => config.supervision.richerAfterMs,
    onChange: ({ workerId, ...data }) => store.events.note({ kind: "profile.changed", workerId, data }),
  });
