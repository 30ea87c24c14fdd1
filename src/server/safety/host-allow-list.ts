/** Guards against DNS rebinding, by which a foreign page reaches a service on localhost under a name of its own. */
import type { HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";

const always = ["localhost", "127.0.0.1", "[::1]"];

/** Takes the port away: `Example.org:9000` → `example.org`; `[::1]:9000` → `[::1]`. */
function hostNameOf(host: string): string {
  return host.trim().toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** IPv6 addresses stand in brackets in a Host header. */
const bracketed = (name: string): string =>
  name.includes(":") && !name.startsWith("[") && !/^[^:]*:\d+$/.test(name) ? `[${name}]` : name;

/**
 * Refuses foreign Host headers before routing: a page whose name was rebound to this address sends its own name
 * (DNS rebinding), and that must reach no route.
 */
export function hostAllowList(allowedHosts: readonly string[]): HttpMiddleware {
  const allowed = new Set([...always, ...allowedHosts.map((host) => hostNameOf(bracketed(host)))]);
  const isAllowed = (host: string): boolean => allowed.has(hostNameOf(host));
  return async (context, next) => {
    const urlHost = context.req.url.split("/", 3)[2] ?? "";
    const host = context.req.header("host") ?? urlHost;
    if (isAllowed(host) && (urlHost === host || isAllowed(urlHost))) return next();
    return refuse(context, {
      code: "HOST_REFUSED",
      detail: "The Host header names a host that this service does not serve.",
    });
  };
}
