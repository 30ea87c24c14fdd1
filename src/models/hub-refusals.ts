/**
 * Says what a hub's refusal means. Sentences name the hub's host and the model, never an address: signed ones are
 * secrets.
 */
import { ModelError } from "../core/errors.ts";
import { secondMs } from "../core/units.ts";

export interface Asked {
  readonly endpoint: string;
  readonly repository: string;
  readonly revision: string;
  /** The file that was asked for; null for the listing. */
  readonly path: string | null;
  readonly hasToken: boolean;
}

const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524]);

/** Reads `Retry-After`, given in seconds or as a date; null when there is none. */
function retryAfterMs(headers: Headers, nowMs: number): number | null {
  const text = headers.get("retry-after");
  if (text === null) return null;
  const waitMs = /^\d+$/.test(text.trim()) ? Number(text) * secondMs : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : null;
}

/** How long the hub asks to wait before the next try; null when it did not say. */
export const askedWaitMs = (error: ModelError): number | null => {
  const waitMs = error.details["retryAfterMs"];
  return typeof waitMs === "number" ? waitMs : null;
};

const isGated = (code: string, message: string): boolean =>
  code === "GatedRepo" || /\bgated\b|\bmust (?:be|have) (?:authenticated|access)/i.test(message);

/** The error of an answer that is neither the file nor a redirect to it. */
export function refusalOf(status: number, headers: Headers, asked: Asked, nowMs: number): ModelError {
  const { endpoint, repository, revision, path, hasToken } = asked;
  const hub = new URL(endpoint).host;
  const what = path === null ? repository : `${path} of ${repository}`;
  const code = headers.get("x-error-code") ?? "";
  const details = { status };
  if (passingStatuses.has(status)) {
    const waitMs = retryAfterMs(headers, nowMs);
    return new ModelError("NETWORK_UNREACHABLE", `The hub ${hub} answered ${status} to a request for ${what}.`, {
      retryable: true,
      details: waitMs === null ? details : { ...details, retryAfterMs: waitMs },
    });
  }
  if ((status === 401 || status === 403) && isGated(code, headers.get("x-error-message") ?? "")) {
    const page = `${endpoint}/${repository}`;
    const sentence = `${repository} is gated: accept its licence at ${page}, and set HF_TOKEN to a token of that account.`;
    return new ModelError("MODEL_GATED", sentence, { details });
  }
  if (status === 404 || code === "RepoNotFound" || code === "RevisionNotFound") {
    const missing = code === "RevisionNotFound" ? `revision ${revision} of ${repository}` : what;
    const hint = hasToken ? "or the token may not see it" : "or keeps it private; then set HF_TOKEN";
    return new ModelError("MODEL_NOT_FOUND", `The hub ${hub} has no ${missing}, ${hint}.`, { details });
  }
  if (status === 401 || status === 403) {
    const why = hasToken ? "refuses the token in HF_TOKEN" : "wants a token; set HF_TOKEN";
    return new ModelError("MODEL_ACCESS_DENIED", `The hub ${hub} ${why} (${status}, ${what}).`, { details });
  }
  return new ModelError("MODEL_NOT_AVAILABLE", `The hub ${hub} answered ${status} to a request for ${what}.`, {
    details,
  });
}

/** Names like ECONNREFUSED say enough; whole texts of causes may hold addresses. */
function codeOf(thrown: unknown): string {
  const { code, cause } = (thrown ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (typeof code === "string") return code;
  return cause === undefined || cause === null ? "the connection ended" : codeOf(cause);
}

/** `fetch` throws TypeErrors for everything that happens to a connection; all else is not ours to explain. */
export function connectionError(thrown: unknown, host: string): ModelError {
  if (!(thrown instanceof TypeError)) throw thrown;
  return new ModelError(
    "NETWORK_UNREACHABLE",
    `${host} does not answer, or the connection broke (${codeOf(thrown)}).`,
    {
      cause: thrown,
      retryable: true,
    },
  );
}
