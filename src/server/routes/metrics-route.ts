/** `GET /metrics`, for Prometheus. */
import { metricsText } from "../../contract/api/probe-api.ts";
import type { ApiApp } from "../api-app.ts";
import type { OpenStreams } from "../open-streams.ts";
import type { ServerPorts } from "../server-ports.ts";

/** The version is the text format's own; without it scrapers guess. */
const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" };

export function addMetricsRoute(app: ApiApp, ports: Pick<ServerPorts, "metrics">, streams: OpenStreams): void {
  app.openapi(metricsText, async (context) => context.text(await ports.metrics(streams.count()), 200, headers));
}
