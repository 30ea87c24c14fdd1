/** Incidents as a program and as a person reads them, and what recovery was worth. */
import type { Hono } from "hono";
import { accepts } from "hono/accepts";
import { toAnalytics } from "../../contract/analytics-wire.ts";
import { toIncidentMarkdown } from "../../contract/incident-markdown.ts";
import { toIncidentReport, toIncidentSummary } from "../../contract/incident-wire.ts";
import { type IncidentStatus, incidentStatuses } from "../../core/ports/event-log.ts";
import { dayMs } from "../../core/units.ts";
import type { HttpContext, HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

const usualCount = 50;
const largestCount = 1_000;
/** As long as rows are kept by default. */
const usualSpanMs = 30 * dayMs;
const noStore = { "cache-control": "no-store" };

const wrong = (context: HttpContext, param: string, detail: string): Response =>
  refuse(context, { code: "REQUEST_INVALID", param, detail });

const isStatus = (word: string): word is IncidentStatus => (incidentStatuses as readonly string[]).includes(word);

async function listIncidents(context: HttpContext, ports: ServerPorts): Promise<Response> {
  const { limit = String(usualCount), cursor, status } = context.req.query();
  const count = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > largestCount) return wrong(context, "limit", `limit must be a number from 1 to ${largestCount}.`);
  const statuses = status?.split(",");
  if (statuses !== undefined && !statuses.every(isStatus))
    return wrong(context, "status", `status must be one or more of ${incidentStatuses.join(", ")}, with commas between.`);
  const page = await ports.incidents.list({
    limit: count,
    ...(cursor === undefined ? {} : { cursor }),
    ...(statuses === undefined ? {} : { statuses }),
  });
  if (page === null) return wrong(context, "cursor", "The cursor is not one that this list gave out; begin without one.");
  const nowMs = ports.clock.nowMs();
  const incidents = page.incidents.map((incident) => toIncidentSummary(incident, nowMs));
  return context.json({ incidents, ...(page.cursor === null ? {} : { cursor: page.cursor }) }, 200, noStore);
}

async function showIncident(context: HttpContext, ports: ServerPorts): Promise<Response> {
  const id = context.req.param("id") ?? "";
  const story = await ports.incidents.find(id);
  if (story === null)
    return refuse(context, { code: "NOT_FOUND", detail: `There is no incident ${id.slice(0, 64)}, or it is older than what is kept.` });
  const report = toIncidentReport(story, { nowMs: ports.clock.nowMs(), isSimulated: ports.status().isSimulated });
  const supports = ["application/json", "text/markdown"];
  const type = accepts(context, { header: "Accept", supports, default: "application/json" });
  const headers = { ...noStore, vary: "Accept" };
  if (type !== "text/markdown") return context.json(report, 200, headers);
  return context.body(toIncidentMarkdown(report), 200, { ...headers, "content-type": "text/markdown; charset=utf-8" });
}

async function showAnalytics(context: HttpContext, ports: ServerPorts): Promise<Response> {
  const since = context.req.query("since");
  const nowMs = ports.clock.nowMs();
  const sinceMs = since === undefined ? nowMs - usualSpanMs : /^\d{4}-\d\d-\d\d/.test(since) ? Date.parse(since) : Number.NaN;
  if (Number.isNaN(sinceMs) || sinceMs > nowMs)
    return wrong(context, "since", "since must be a time of the past in ISO 8601, for instance 2026-11-23T17:40:00Z.");
  return context.json(toAnalytics(await ports.incidents.analytics(sinceMs)), 200, noStore);
}

export function addIncidentRoutes(app: Hono<HttpEnv>, ports: ServerPorts): void {
  app.get("/api/v1/recovery/incidents", (context) => listIncidents(context, ports));
  app.get("/api/v1/recovery/incidents/:id", (context) => showIncident(context, ports));
  app.get("/api/v1/recovery/analytics", (context) => showAnalytics(context, ports));
}
