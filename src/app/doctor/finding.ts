/** `missing`: it is not there, or does not do; `unknown`: nobody could say, which is never counted as all right. */
type FindingStatus = "ok" | "missing" | "unknown";

/** One thing that the doctor looked at. */
export interface Finding {
  readonly name: string;
  readonly status: FindingStatus;
  /** Whether this configuration cannot do without it. */
  readonly isNeeded: boolean;
  readonly sentence: string;
  /** What a person does about it; null when nothing. */
  readonly fix: string | null;
}

type Said = Omit<Finding, "name" | "isNeeded">;

export const ok = (sentence: string): Said => ({ status: "ok", sentence, fix: null });
export const missing = (sentence: string, fix: string): Said => ({ status: "missing", sentence, fix });
export const unknown = (sentence: string, fix: string | null = null): Said => ({ status: "unknown", sentence, fix });

/** Nothing that is needed is missing or unknown. */
export const isWell = (findings: readonly Finding[]): boolean =>
  findings.every(({ status, isNeeded }) => status === "ok" || !isNeeded);
