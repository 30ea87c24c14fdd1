/** Writes operators' calls into the timeline, so that an incident's story also shows what people did. */
import { routePath } from "hono/route";
import type { HttpMiddleware } from "../http-types.ts";
import type { ServerPorts } from "../server-ports.ts";
import { harmlessMethods } from "./harmless-methods.ts";

/**
 * Writes one row for every call of an operator that may have changed something; what a submitter does to a job stands
 * in the job's own rows. The row holds the route's pattern, never an address with what was typed.
 */
export function recordCalls(events: Pick<ServerPorts["events"], "note">): HttpMiddleware {
  return async (context, next) => {
    await next();
    const { status } = context.res;
    if (harmlessMethods.has(context.req.method) || status >= 400 || !context.get("actor").startsWith("operator:"))
      return;
    events.note({
      kind: "api.called",
      actor: context.get("actor"),
      data: { method: context.req.method, route: routePath(context, -1), status, requestId: context.get("requestId") },
    });
  };
}
