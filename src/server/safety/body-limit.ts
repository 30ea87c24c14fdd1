/** Refuses bodies that are too large before more than the limit is in memory. The limit has room for a job's image. */
import { bodyLimit as bufferedLimit } from "hono/body-limit";
import type { HttpContext, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";

const longestBodyBytes = 12 * 1024 * 1024;

const tooLarge = (context: HttpContext): Response =>
  refuse(context, { code: "BODY_TOO_LARGE", detail: "The body is larger than 12 MB." });

/** Bodies with a length are judged by it, without touching them; chunked ones are read up to the limit. */
export function bodyLimit(): HttpMiddleware {
  const chunked = bufferedLimit({ maxSize: longestBodyBytes, onError: (context) => tooLarge(context as HttpContext) });
  return async (context, next) => {
    if (context.req.method === "GET" || context.req.method === "HEAD") return next();
    const length = context.req.header("content-length");
    if (length === undefined || context.req.header("transfer-encoding") !== undefined) return chunked(context, next);
    return Number(length) > longestBodyBytes ? tooLarge(context) : next();
  };
}
