/** Routes that tell of incidents, for programs and for people, and of what recovery was worth. */
import { accepts } from "hono/accepts";
import { toAnalytics } from "../../contract/analytics-wire.ts";
import { listIncidents, showAnalytics, showIncident } from "../../contract/api/incident-api.ts";
import { toIncidentMarkdown } from "../../contract/incident-markdown.ts";
import { toIncidentReport, toIncidentSummary } from "../../contract/incident-wire.ts";
import { present, withoutNulls } from "../../core/present.ts";
import { dayMs } from "../../core/units.ts";
import type { ApiApp } from "../api-app.ts";
import type { HttpContext } from "../http-types.ts";
import { type Refused, refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

/** The span is as long as rows are kept by default. */
const usualSpanMs = 30 * dayMs;
const noStore = { "cache-control": "no-store" };

const wrong = (context: HttpContext, param: string, detail: string): Refused =>
  refuse(context, { code: "REQUEST_INVALID", param, detail });

async function answerIncident(context: HttpContext, ports: ServerPorts, id: string): Promise<Response> {
  const story = await ports.incidents.find(id);
  if (story === null)
    return refuse(context, {
      code: "NOT_FOUND",
      detail: `There is no incident ${id.slice(0, 64)}, or it is older than what is kept.`,
    });
  const report = toIncidentReport(story, { nowMs: ports.clock.nowMs(), isSimulated: ports.status().isSimulated });
  const supports = ["application/json", "text/markdown"];
  const type = accepts(context, { header: "Accept", supports, default: "application/json" });
  const headers = { ...noStore, vary: "Accept" };
  if (type !== "text/markdown") return context.json(report, 200, headers);
  return context.body(toIncidentMarkdown(report), 200, { ...headers, "content-type": "text/markdown; charset=utf-8" });
}

export function addIncidentRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(listIncidents, async (context) => {
    const { limit, cursor, status } = context.req.valid("query");
    const page = await ports.incidents.list({
      limit,
      ...present({ cursor, statuses: status }),
    });
    if (page === null)
      return wrong(context, "cursor", "The cursor is not one that this list gave out; begin without one.");
    const nowMs = ports.clock.nowMs();
    const incidents = page.incidents.map((incident) => toIncidentSummary(incident, nowMs));
    return context.json({ incidents, ...withoutNulls({ cursor: page.cursor }) }, 200, noStore);
  });

  app.openapi(showIncident, (context) => answerIncident(context, ports, context.req.valid("param").id));

  app.openapi(showAnalytics, async (context) => {
    const { since } = context.req.valid("query");
    const nowMs = ports.clock.nowMs();
    const sinceMs = since === undefined ? nowMs - usualSpanMs : Date.parse(since);
    if (Number.isNaN(sinceMs) || sinceMs > nowMs)
      return wrong(
        context,
        "since",
        "since must be a time of the past in ISO 8601, for instance 2026-11-23T17:40:00Z.",
      );
    return context.json(toAnalytics(await ports.incidents.analytics(sinceMs)), 200, noStore);
  });
}
