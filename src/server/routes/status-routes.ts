/** `GET /api/v1/status`: the whole service in one answer, which the command line and monitors read. */
import { showStatus } from "../../contract/api/status-api.ts";
import { toStatus } from "../../contract/status-wire.ts";
import type { ApiApp } from "../api-app.ts";
import type { ServerPorts } from "../server-ports.ts";

export function addStatusRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(showStatus, async (context) => {
    const body = toStatus(ports.status(), { intake: ports.intake.view(), counts: await ports.jobs.counts() });
    return context.json(body, 200, { "cache-control": "no-store" });
  });
}
