/**
 * Keeps pages of other origins from acting through a visitor's browser. A service without a key on localhost can be
 * reached by every page that its user opens.
 */
import type { HttpContext, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { harmlessMethods } from "./harmless-methods.ts";

const allowedHeaders = "authorization, content-type, idempotency-key, last-event-id, x-request-id";
const exposedHeaders = [
  "x-request-id",
  "retry-after",
  "idempotency-replayed",
  "openai-poll-after-ms",
  "x-understudy-served-by",
  "x-understudy-changes",
  "x-understudy-simulated",
].join(", ");

/** The Host header is ours (it was checked before), so an origin with the same host and port is this service's own page. */
function isOwn(origin: string, context: HttpContext): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  const own = context.req.header("host") ?? new URL(context.req.url).host;
  return (protocol === "http:" || protocol === "https:") && new URL(`${protocol}//${own}`).host === host;
}

/** A browser that says "cross-site" is believed even where the origin looks like ours. */
function isForeign(context: HttpContext, allowed: ReadonlySet<string>): boolean {
  const origin = context.req.header("origin");
  if (origin !== undefined && allowed.has(origin)) return false;
  const site = context.req.header("sec-fetch-site");
  if (site === "cross-site" || site === "same-site") return true;
  return origin !== undefined && !isOwn(origin, context);
}

/** What a page's address may look like, so that nothing else is repeated or logged. */
const isPlain = (origin: string): boolean => /^https?:\/\/[a-z0-9.[\]:-]{1,255}$/i.test(origin);

/**
 * A page of another origin must not act here with the browser's reach: every request that is not a mere read, and every
 * WebSocket, needs our own origin, an allowed one or none. Another port is foreign, and so is `Origin: null`.
 */
export function foreignOrigin(allowedOrigins: readonly string[], onRefused: (origin: string) => void): HttpMiddleware {
  const allowed = new Set(allowedOrigins.map((origin) => new URL(origin).origin));
  const refuseForeign = (context: HttpContext): Response => {
    const origin = context.req.header("origin") ?? "";
    if (!isPlain(origin))
      return refuse(context, { code: "ORIGIN_REFUSED", detail: "The request comes from a foreign page." });
    onRefused(origin);
    const detail = `The request comes from a page of ${origin}. To let it in, start the service with --allow-origin ${origin}.`;
    return refuse(context, { code: "ORIGIN_REFUSED", detail });
  };
  return async (context, next) => {
    const origin = context.req.header("origin");
    const isPreflight =
      context.req.method === "OPTIONS" && context.req.header("access-control-request-method") !== undefined;
    if (origin !== undefined && allowed.has(origin)) {
      context.header("access-control-allow-origin", origin);
      context.header("access-control-allow-credentials", "true");
      context.header("access-control-expose-headers", exposedHeaders);
      context.header("vary", "origin");
      if (isPreflight) {
        return context.body(null, 204, {
          "access-control-allow-methods": "GET, POST, PUT, DELETE",
          "access-control-allow-headers": allowedHeaders,
          "access-control-max-age": "600",
        });
      }
    }
    const isRead =
      harmlessMethods.has(context.req.method) && !isPreflight && context.req.header("upgrade") === undefined;
    return isRead || !isForeign(context, allowed) ? next() : refuseForeign(context);
  };
}
