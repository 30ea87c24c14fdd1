/** Every refusal and every defect leaves the server through here, as problem+json; never a stack. */
import type { Hono, TypedResponse } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ClientErrorStatusCode, ServerErrorStatusCode } from "hono/utils/http-status";
import { longestRetryAfterMs, type Problem, type ProblemAbout, toProblem } from "../contract/problem.ts";
import { type ErrorCode, errorCodes } from "../core/error-codes.ts";
import { UnderstudyError } from "../core/errors.ts";
import { ifKnown, present } from "../core/present.ts";
import type { HttpContext, HttpEnv } from "./http-types.ts";
import type { ServerPorts } from "./server-ports.ts";

export type Refusal = Omit<ProblemAbout, "requestId"> & { readonly headers?: Readonly<Record<string, string>> };

/** A response that the contract's `default` answer describes. */
export type Refused = Response & TypedResponse<Problem, ClientErrorStatusCode | ServerErrorStatusCode, "json">;

/** How long a client may wait when nothing better is known. */
const usualRetryAfterMs = 5_000;

/** Answers a refusal. 429 and 503 always say when to come back, and a conflict says that coming back is useless. */
export function refuse(context: HttpContext, { headers = {}, ...refusal }: Refusal): Refused {
  const status = refusal.status ?? errorCodes[refusal.code].status;
  const isTemporary = status === 429 || status === 503;
  const retryAfterMs = isTemporary
    ? Math.min(refusal.retryAfterMs ?? usualRetryAfterMs, longestRetryAfterMs)
    : undefined;
  const problem = toProblem({
    ...refusal,
    requestId: context.get("requestId") ?? "",
    ...present({ retryAfterMs }),
  });
  return context.json(problem, status as Refused["_status"], {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...present({
      "retry-after": ifKnown(retryAfterMs, (ms) => String(Math.max(1, Math.ceil(ms / 1_000)))),
      "x-should-retry": status === 409 ? "false" : undefined,
    }),
    ...headers,
  });
}

function refusalOf(thrown: UnderstudyError): Refusal {
  const { status, meaning } = errorCodes[thrown.code];
  const { retryAfterMs } = thrown.details;
  return {
    code: thrown.code,
    // The messages of our own defects may name files; their meaning does not.
    detail: status === 500 ? meaning : thrown.message,
    ...present({ retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined }),
  };
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  404: "NOT_FOUND",
  413: "BODY_TOO_LARGE",
  415: "MEDIA_TYPE_UNSUPPORTED",
};

/** Installs the two handlers that see what no route answered. */
export function installProblems(app: Hono<HttpEnv>, ports: Pick<ServerPorts, "onDefect">): void {
  app.notFound((context) => refuse(context, { code: "NOT_FOUND", detail: "There is nothing under this address." }));
  app.onError((thrown, context) => {
    if (thrown instanceof UnderstudyError && errorCodes[thrown.code].status !== 500)
      return refuse(context, refusalOf(thrown));
    if (thrown instanceof HTTPException && thrown.status < 500) {
      return refuse(context, {
        code: codeOfStatus[thrown.status] ?? "REQUEST_MALFORMED",
        detail: "The request could not be read.",
        status: thrown.status,
      });
    }
    ports.onDefect(thrown, {
      requestId: context.get("requestId") ?? "",
      method: context.req.method,
      path: context.req.path,
    });
    if (thrown instanceof UnderstudyError) return refuse(context, refusalOf(thrown));
    return refuse(context, {
      code: "INTERNAL_ERROR",
      detail: "This is a defect of the service; it has been recorded under the request id.",
    });
  });
}
