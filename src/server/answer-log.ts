/** Tells of every answer: under which request id, by which route, how soon, and about which job or incident. */
import { AsyncLocalStorage } from "node:async_hooks";
import { matchedRoutes } from "hono/route";
import type { HttpContext, HttpMiddleware } from "./http-types.ts";
import type { AdmissionPort, ServerPorts } from "./server-ports.ts";

/** Facts that routes find out while they answer. */
const scope = new AsyncLocalStorage<{ jobId: string | null }>();

/** The service's own ids look so; whatever else stands in an address is a caller's text, and no log has it. */
const harmless = /^[A-Za-z0-9_-]{1,64}$/;

const ofJobs = /^(?:\/api\/v1\/(?:jobs|generate|generation|queue|outputs)|\/v1\/videos)\//;
const ofIncidents = /\/incidents\//;

/** The route's pattern, so that logs have as many different ones as there are routes. */
function patternOf(context: HttpContext): string {
  return (
    matchedRoutes(context).findLast(({ method, path }) => method !== "ALL" && !path.includes("*"))?.path ?? "unmatched"
  );
}

function idIn(context: HttpContext): string | null {
  const [id = ""] = Object.values(context.req.param() as Readonly<Record<string, string>>);
  return harmless.test(id) ? id : null;
}

export function answerLog(ports: Pick<ServerPorts, "clock" | "onAnswered">): HttpMiddleware {
  return async (context, next) => {
    const startedAtMs = ports.clock.nowMs();
    const found: { jobId: string | null } = { jobId: null };
    await scope.run(found, next);
    const route = patternOf(context);
    ports.onAnswered({
      requestId: context.get("requestId"),
      keyId: context.get("apiKeyId") ?? null,
      method: context.req.method,
      route,
      status: context.res.status,
      tookMs: ports.clock.nowMs() - startedAtMs,
      jobId: found.jobId ?? (ofJobs.test(route) ? idIn(context) : null),
      incidentId: ofIncidents.test(route) ? idIn(context) : null,
    });
  };
}

/** The same port, whose answer also tells the log which job the request made. */
export function notingJobs(admission: AdmissionPort): AdmissionPort {
  return {
    ...admission,
    submit: async (submission) => {
      const outcome = await admission.submit(submission);
      const found = scope.getStore();
      if (found !== undefined && "job" in outcome) found.jobId = outcome.job.id;
      return outcome;
    },
  };
}
