/**
 * Says what of a machine's context or of an event may be seen from outside: fields of this list, and of them only
 * numbers, truth values and single words. Prompts, tokens, paths and messages have no name here, and no sentence passes
 * as a word.
 */
const names: ReadonlySet<string> = new Set([
  ...["workerId", "jobId", "incidentId", "fence", "attempt", "epoch", "pid"],
  ...[
    "mode",
    "status",
    "origin",
    "failureType",
    "class",
    "attribution",
    "phase",
    "step",
    "of",
    "outcome",
    "action",
    "start",
  ],
  ...[
    "model",
    "profile",
    "wanted",
    "resident",
    "residentModel",
    "wantedModel",
    "admission",
    "stopShape",
    "workerState",
  ],
  ...["fault", "lease", "rung", "choice", "ref"],
  ...["committingJobId", "suspendedBy", "heldBy"],
  ...[
    "tryCount",
    "fetchCount",
    "commitCount",
    "climbCount",
    "lookBackCount",
    "joinedFaultCount",
    "faultCount",
    "openingCount",
  ],
  ...["incidentCount", "failedSampleCount", "nextRungIndex", "backoffIndex"],
  ...[
    "dueAtMs",
    "longPhaseMs",
    "startedAtMs",
    "cooldownUntilMs",
    "budgetRetryAtMs",
    "lookBackAtMs",
    "connectedAtMs",
    "retryAtMs",
  ],
  ...["openUntilMs", "nextCheckAtMs", "untilMs", "deathsAtMs", "budgetSpentAtMs"],
]);
/** Fields such as `isPaused`, `hasNews` and `isProcessorShort` are true or false and say nothing else. */
const claim = /^(?:is|has|can|are)[A-Z]\w*$/;
const word = /^[\w.:+-]{1,64}$/;
const deepest = 3;
const longestList = 20;

function shownValue(value: unknown, depth: number): unknown {
  if (value === null || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value)))
    return value;
  if (typeof value === "string") return word.test(value) ? value : undefined;
  if (Array.isArray(value))
    return value
      .slice(-longestList)
      .map((item) => shownValue(item, depth + 1))
      .filter((item) => item !== undefined);
  if (typeof value !== "object" || depth >= deepest) return undefined;
  return shownFields(value, depth + 1);
}

/** Takes the fields of an object that may be seen; the given object is not changed. */
export function shownFields(fields: unknown, depth = 0): Readonly<Record<string, unknown>> {
  if (typeof fields !== "object" || fields === null) return {};
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    const kept = claim.test(name)
      ? typeof value === "boolean"
        ? value
        : undefined
      : names.has(name)
        ? shownValue(value, depth)
        : undefined;
    if (kept !== undefined) shown[name] = kept;
  }
  return shown;
}
