/** Gives every request an id that its answer and its log line carry, so that a user's report finds its line. */
import type { Chance } from "../../core/chance.ts";
import type { HttpMiddleware } from "../http-types.ts";

const acceptable = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's id where it is harmless, else one of ours; it comes back in X-Request-Id and in every problem. */
export function requestId(chance: Chance): HttpMiddleware {
  return async (context, next) => {
    const given = context.req.header("x-request-id");
    const id = given !== undefined && acceptable.test(given) ? given : chance.uuid();
    context.set("requestId", id);
    context.header("x-request-id", id);
    await next();
  };
}
