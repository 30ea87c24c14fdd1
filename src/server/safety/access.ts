/**
 * Finds out whose request this is and what the caller may do. The needed role stands in the route's definition; a route
 * without one is closed.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { matchedRoutes } from "hono/route";
import { roleExtension } from "../../contract/api/api-route.ts";
import { type AccessRole, accessRoles } from "../../core/words.ts";
import type { HttpContext, HttpEnv, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { KeyHolder, Keyring } from "./keyring.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import { keyOfProtocols } from "./socket-protocols.ts";

/** Reads `Bearer <key>`; on a WebSocket also the key that a browser can only send among the protocols. */
function keyOf(context: HttpContext): string | null {
  const authorization = context.req.header("authorization");
  if (authorization === undefined && isUpgrade(context))
    return keyOfProtocols(context.req.header("sec-websocket-protocol"));
  const [scheme, value] = (authorization ?? "").split(" ", 2);
  return scheme?.toLowerCase() === "bearer" && value !== undefined ? value : null;
}

const isUpgrade = (context: HttpContext): boolean => context.req.header("upgrade")?.toLowerCase() === "websocket";

/** Maps `GET /api/v1/queue/:id` to the role that it needs. */
export function rolesOf(app: OpenAPIHono<HttpEnv>): ReadonlyMap<string, AccessRole> {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return [];
      const { method, path, [roleExtension]: role } = definition.route;
      return [[`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`, role as AccessRole] as const];
    }),
  );
}

const isEnough = (held: AccessRole, needed: AccessRole): boolean =>
  accessRoles.indexOf(held) >= accessRoles.indexOf(needed);

/** Without a key, callers are told apart by where they come from. */
const addressOf = (context: HttpContext): string =>
  `address:${context.env?.incoming?.socket.remoteAddress ?? "unknown"}`;

/** Without any key everybody who reaches the service may do everything. */
const anybody: KeyHolder = { id: "local", role: "operator" };

export interface AccessOptions {
  readonly keyring: Keyring;
  readonly limiter: RateLimiter;
  /** Other machines can reach the service, so that nobody may act without a key, also while there is none. */
  readonly isClosed: boolean;
  /** Whoever started it said that nobody needs a key. */
  readonly isInsecure: boolean;
}

export function access(
  app: OpenAPIHono<HttpEnv>,
  { keyring, limiter, isClosed, isInsecure }: AccessOptions,
): HttpMiddleware {
  let table: ReadonlyMap<string, AccessRole> | undefined;
  const definedFor = (context: HttpContext): AccessRole | undefined => {
    table ??= rolesOf(app);
    // The route that answers stands last, behind the middleware.
    const answering = matchedRoutes(context).at(-1);
    return answering === undefined ? undefined : table.get(`${answering.method} ${answering.path}`);
  };
  const holderOf = async (key: string | null): Promise<KeyHolder | null> => {
    if (isInsecure) return anybody;
    if (!isClosed && !(await keyring.isLocked())) return anybody;
    return key === null ? null : keyring.find(key);
  };
  const refuseUnknown = (context: HttpContext, key: string | null) =>
    refuse(context, {
      code: "UNAUTHENTICATED",
      detail: key === null ? "A key is needed." : "This key is not valid.",
      headers: { "www-authenticate": 'Bearer realm="Understudy"' },
    });
  return async (context, next) => {
    const defined = definedFor(context);
    const needed = defined ?? "operator";
    const key = keyOf(context);
    const holder = needed === "open" ? null : await holderOf(key);
    const waitMs = limiter.takeMs(holder?.id ?? addressOf(context));
    if (waitMs > 0) {
      return refuse(context, {
        code: "RATE_LIMITED",
        detail: "These are more requests than one caller may make.",
        retryAfterMs: waitMs,
      });
    }
    const id = holder?.id ?? anybody.id;
    context.set("apiKeyId", id);
    context.set("actor", defined === "operator" ? `operator:${id}` : `client:${id}`);
    if (needed === "open") return next();
    if (holder === null) return refuseUnknown(context, key);
    if (isEnough(holder.role, needed)) return next();
    const detail = `This needs a key of the role ${needed}; this one is of the role ${holder.role}.`;
    return refuse(context, { code: "ROLE_INSUFFICIENT", detail });
  };
}
