import type { HttpContext, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";

const harmless = new Set(["GET", "HEAD", "OPTIONS"]);
const allowedHeaders = "authorization, content-type, idempotency-key, last-event-id, x-request-id";

/** The Host header is ours (it was checked before), so an origin with the same host and port is this service's own page. */
function isOwn(origin: string, context: HttpContext): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  const own = context.req.header("host") ?? new URL(context.req.url).host;
  return (protocol === "http:" || protocol === "https:") && new URL(`${protocol}//${own}`).host === host;
}

/**
 * A page of another origin must not act here with the browser's reach: every request that is not a mere read, and every
 * WebSocket, needs our own origin or none. Another port is foreign, and so is `Origin: null`.
 */
export function foreignOrigin(allowedOrigins: readonly string[]): HttpMiddleware {
  const allowed = new Set(allowedOrigins.map((origin) => new URL(origin).origin));
  const isAllowed = (context: HttpContext): boolean => {
    const origin = context.req.header("origin");
    if (origin !== undefined) return allowed.has(origin) || isOwn(origin, context);
    const site = context.req.header("sec-fetch-site");
    return site === undefined || site === "same-origin" || site === "none";
  };
  return async (context, next) => {
    const origin = context.req.header("origin");
    if (origin !== undefined && allowed.has(origin)) {
      context.header("access-control-allow-origin", origin);
      context.header("access-control-allow-credentials", "true");
      context.header("access-control-expose-headers", "x-request-id, retry-after");
      context.header("vary", "origin");
      if (context.req.method === "OPTIONS") {
        return context.body(null, 204, {
          "access-control-allow-methods": "GET, POST, PUT, DELETE",
          "access-control-allow-headers": allowedHeaders,
        });
      }
    }
    const isRead = harmless.has(context.req.method) && context.req.header("upgrade") === undefined;
    if (isRead || (isAllowed(context) && !isCrossSite(context, allowed))) return next();
    return refuse(context, { code: "ORIGIN_REFUSED", detail: "The request comes from a foreign page." });
  };
}

/** A browser that says "cross-site" is believed even where the origin looks like ours. */
function isCrossSite(context: HttpContext, allowed: ReadonlySet<string>): boolean {
  const site = context.req.header("sec-fetch-site");
  return (site === "cross-site" || site === "same-site") && !allowed.has(context.req.header("origin") ?? "");
}
