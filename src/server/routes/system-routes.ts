/** Probes for people, platforms and the compatible clients. */
import { liveness, readiness, serviceHealth, systemHealth } from "../../contract/api/probe-api.ts";
import {
  listLoras,
  listLorasToo,
  showApiHealth,
  showHardware,
  showOptimization,
  showPorts,
  showStats,
  showStatsHistory,
} from "../../contract/api/system-api.ts";
import { toLoras } from "../../contract/lora-wire.ts";
import { toHardwareProfile, toStatsHistory, toSystemStats } from "../../contract/stats-wire.ts";
import { systemStatusOf, toReadiness, toServiceHealth, toSystemHealth } from "../../contract/system-wire.ts";
import { isoOf } from "../../core/clock.ts";
import { hourMs } from "../../core/units.ts";
import type { ApiApp } from "../api-app.ts";
import { readHostFacts } from "../host-facts.ts";
import type { AppOptions } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

const noStore = { "cache-control": "no-store" };

export function addSystemRoutes(app: ApiApp, ports: ServerPorts, options: AppOptions): void {
  app.openapi(liveness, (context) => context.json({ status: "alive" as const }, 200, noStore));
  app.openapi(readiness, (context) => {
    const status = ports.status();
    if (status.isSimulated) context.header("x-understudy-simulated", "true");
    if (status.unreadyReason !== null)
      return refuse(context, { code: status.unreadyReason.code, detail: status.unreadyReason.message });
    return context.json(toReadiness(status), 200, noStore);
  });
  app.openapi(serviceHealth, (context) =>
    context.json(toServiceHealth(ports.status(), ports.clock.nowMs()), 200, noStore),
  );
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

/** The port under which the caller reached this service. */
function portOf(address: string): number {
  const { port, protocol } = new URL(address);
  return Number(port || (protocol === "https:" ? 443 : 80));
}

/** Adds figures as they were measured, and small answers that the compatible clients look for. */
export function addFigureRoutes(app: ApiApp, ports: ServerPorts): void {
  const host = readHostFacts();
  const { catalog } = ports;
  app.openapi(showStats, async (context) =>
    context.json(toSystemStats(await ports.telemetry.measure(), ports.status(), { host, catalog }), 200, noStore),
  );
  app.openapi(showStatsHistory, (context) => {
    const nowMs = ports.clock.nowMs();
    const sinceMs = Math.round(nowMs - context.req.valid("query").hours * hourMs);
    return context.json(toStatsHistory(ports.telemetry.since(sinceMs), sinceMs, nowMs), 200, noStore);
  });
  app.openapi(showHardware, async (context) =>
    context.json(toHardwareProfile(await ports.telemetry.measure(), ports.status(), host), 200, noStore),
  );
  app.openapi(showOptimization, async (context) => {
    const status = ports.status();
    const body = {
      optimized: status.mode === "ready" && !status.isDegradedActive,
      mode: status.mode,
      message: status.sentence,
      hardware_profile: toHardwareProfile(await ports.telemetry.measure(), status, host),
      timestamp: isoOf(ports.clock.nowMs()),
    };
    return context.json(body, 200, noStore);
  });
  app.openapi(showPorts, (context) => {
    const port = portOf(context.req.url);
    return context.json({ backend_port: port, frontend_port: port, status: "ok" as const }, 200);
  });
  app.openapi(showApiHealth, (context) => {
    const status = ports.status();
    return context.json({ status: systemStatusOf(status), api_version: status.version }, 200, noStore);
  });
  for (const route of [listLoras, listLorasToo] as const)
    app.openapi(route as typeof listLoras, async (context) =>
      context.json(toLoras(await ports.listLoras()), 200, noStore),
    );
}
