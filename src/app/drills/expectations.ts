/** What single drills show beside their stages, each judged by what the observer saw. */
import type { JobView } from "../../core/job.ts";
import type { LoadProfile, Mode } from "../../core/words.ts";

/** What was seen until the drill ended. */
export interface Seen {
  /** The drill's own jobs. */
  readonly jobs: readonly JobView[];
  readonly modes: ReadonlySet<Mode>;
  /** `action: outcome`, revised outcomes as they were revised. */
  readonly actions: readonly string[];
  readonly breaker: "closed" | "opened" | "reclosed";
  /** The memory mode of each worker; what a worker that is not connected has is not known. */
  readonly profilesBefore: ReadonlyMap<string, LoadProfile | null>;
  readonly profilesNow: ReadonlyMap<string, LoadProfile | null>;
}

interface Definition {
  readonly expected: string;
  readonly isMet: (seen: Seen) => boolean;
  /** The drill goes on until it is met, while this holds. */
  readonly isAwaited?: (seen: Seen) => boolean;
}

const mostAttempts = 3;

/** Its own error: that of one of its attempts, or the service's word for a job that fails everywhere. */
const hasEndedByItself = ({ state, errorCode, attemptList }: JobView): boolean => {
  const code: string | null = errorCode;
  const failed = attemptList.filter((attempt) => attempt.code !== null);
  const isOwn = code === "JOB_UNRENDERABLE" || failed.some((attempt) => attempt.code === code);
  return state === "failed" && code !== null && isOwn && failed.length <= mostAttempts;
};

const definitions = {
  ownFaultEndsIt: {
    expected: "The bad job ends by its own error, within three attempts.",
    isMet: ({ jobs }) => jobs.every(hasEndedByItself),
  },
  neverStandsIn: {
    expected: "The service never says that it can give stand-ins only.",
    isMet: ({ modes }) => !modes.has("mock"),
  },
  nothingRepaired: {
    expected: "No repair counts as effective, because nothing was broken.",
    isMet: ({ actions }) => !actions.some((action) => action.endsWith(": effective")),
  },
  nobodyCharged: {
    expected: "No attempt and no death is charged to the job.",
    isMet: ({ jobs }) => jobs.every(({ attempts, deaths }) => attempts === 0 && deaths === 0),
  },
  breakerOpens: {
    expected: "The worker gets no more jobs for a while.",
    isMet: ({ breaker }) => breaker !== "closed",
  },
  breakerCloses: {
    expected: "It gets jobs again by itself.",
    isMet: ({ breaker }) => breaker === "reclosed",
    isAwaited: ({ breaker }) => breaker === "opened",
  },
  memoryModeReturns: {
    expected: "Every worker is back in the memory mode that it had.",
    isMet: ({ profilesBefore, profilesNow }) =>
      [...profilesBefore].every(([workerId, profile]) => profilesNow.get(workerId) === profile),
    isAwaited: () => true,
  },
} as const satisfies Readonly<Record<string, Definition>>;

export type ExpectationName = keyof typeof definitions;

export const judgeExpectations = (
  names: readonly ExpectationName[],
  seen: Seen,
): { readonly expected: string; readonly isMet: boolean }[] =>
  names.map((name) => {
    const { expected, isMet } = definitions[name];
    return { expected, isMet: isMet(seen) };
  });

/** Whether the drill waits for one of these still. */
export const isAnyAwaited = (names: readonly ExpectationName[], seen: Seen): boolean =>
  names.some((name) => {
    const definition: Definition = definitions[name];
    return definition.isAwaited?.(seen) === true && !definition.isMet(seen);
  });
