/** Probes for people, platforms and the seed's clients. */
import type { Hono } from "hono";
import { systemStatusOf, toReadiness, toSystemHealth } from "../../contract/system-wire.ts";
import type { AppOptions, HttpContext, HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

const noStore = { "cache-control": "no-store" };

function systemHealth(context: HttpContext, ports: ServerPorts, options: AppOptions): Response {
  const url = new URL(context.req.url);
  const body = toSystemHealth(ports.status(), {
    nowMs: ports.clock.nowMs(),
    host: context.req.header("host") ?? url.host,
    port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    origin: context.req.header("origin") ?? null,
    allowedOrigins: options.allowedOrigins,
  });
  return context.json(body, 200, noStore);
}

export function addSystemRoutes(app: Hono<HttpEnv>, ports: ServerPorts, options: AppOptions): void {
  app.get("/livez", (context) => context.json({ status: "alive" }, 200, noStore));
  app.get("/readyz", (context) => {
    const status = ports.status();
    if (status.isSimulated) context.header("x-understudy-simulated", "true");
    if (status.unreadyReason !== null) return refuse(context, { code: status.unreadyReason.code, detail: status.unreadyReason.message });
    return context.json(toReadiness(status), 200, noStore);
  });
  app.get("/health", (context) => {
    const status = ports.status();
    const body = {
      status: systemStatusOf(status),
      timestamp: ports.clock.nowMs() / 1_000,
      version: status.version,
      mode: status.mode,
      simulated: status.isSimulated,
    };
    return context.json(body, 200, noStore);
  });
  app.get("/api/v1/system/health", (context) => systemHealth(context, ports, options));
}
