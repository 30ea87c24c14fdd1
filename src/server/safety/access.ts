/** Whose request this is and what they may do. The needed role stands in the route's definition; a route without one is closed. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { matchedRoutes } from "hono/route";
import { roleExtension } from "../../contract/api/api-route.ts";
import { type AccessRole, accessRoles } from "../../core/words.ts";
import type { HttpContext, HttpEnv, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { Keyring } from "./keyring.ts";

/** `Bearer <key>`. */
function keyOf(context: HttpContext): string | null {
  const [scheme, value] = (context.req.header("authorization") ?? "").split(" ", 2);
  return scheme?.toLowerCase() === "bearer" && value !== undefined ? value : null;
}

type RoleTable = ReadonlyMap<string, AccessRole>;

/** `GET /api/v1/queue/:id` → the role that it needs. */
export function rolesOf(app: OpenAPIHono<HttpEnv>): RoleTable {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return [];
      const { method, path, [roleExtension]: role } = definition.route;
      return [[`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`, role as AccessRole] as const];
    }),
  );
}

const isEnough = (held: AccessRole, needed: AccessRole): boolean => accessRoles.indexOf(held) >= accessRoles.indexOf(needed);

/** Without any key everybody who reaches the loopback address may do everything. */
export function access(app: OpenAPIHono<HttpEnv>, keyring: Keyring): HttpMiddleware {
  let table: RoleTable | undefined;
  const neededFor = (context: HttpContext): AccessRole => {
    table ??= rolesOf(app);
    const roles = matchedRoutes(context).map(({ method, path }) => table?.get(`${method} ${path}`));
    return roles.find((role) => role !== undefined) ?? "operator";
  };
  return async (context, next) => {
    context.set("apiKeyId", "local");
    const needed = neededFor(context);
    if (!keyring.isLocked() || needed === "open") return next();
    const key = keyOf(context);
    const holder = key === null ? null : await keyring.find(key);
    if (holder === null) {
      return refuse(context, {
        code: "UNAUTHENTICATED",
        detail: key === null ? "A key is needed." : "This key is not valid.",
        headers: { "www-authenticate": 'Bearer realm="Understudy"' },
      });
    }
    context.set("apiKeyId", holder.id);
    if (isEnough(holder.role, needed)) return next();
    return refuse(context, {
      code: "ROLE_INSUFFICIENT",
      detail: `This needs a key of the role ${needed}; this one is of the role ${holder.role}.`,
    });
  };
}
