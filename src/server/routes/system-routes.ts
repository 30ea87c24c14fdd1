/** Probes for people, platforms and the seed's clients. */
import { liveness, readiness, serviceHealth, systemHealth } from "../../contract/api/probe-api.ts";
import { toReadiness, toServiceHealth, toSystemHealth } from "../../contract/system-wire.ts";
import type { ApiApp } from "../api-app.ts";
import type { AppOptions } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

const noStore = { "cache-control": "no-store" };

export function addSystemRoutes(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  app.openapi(liveness, (context) => context.json({ status: "alive" as const }, 200, noStore));
  app.openapi(readiness, (context) => {
    const status = ports.status();
    if (status.isSimulated) context.header("x-understudy-simulated", "true");
    if (status.unreadyReason !== null) return refuse(context, { code: status.unreadyReason.code, detail: status.unreadyReason.message });
    return context.json(toReadiness(status), 200, noStore);
  });
  app.openapi(serviceHealth, (context) => context.json(toServiceHealth(ports.status(), ports.clock.nowMs()), 200, noStore));
  app.openapi(systemHealth, (context) => {
    const url = new URL(context.req.url);
    const body = toSystemHealth(ports.status(), {
      nowMs: ports.clock.nowMs(),
      host: context.req.header("host") ?? url.host,
      port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
      origin: context.req.header("origin") ?? null,
      allowedOrigins: options.allowedOrigins,
    });
    return context.json(body, 200, noStore);
  });
}
