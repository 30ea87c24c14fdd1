/** The queue as the seed's clients poll it. */
import type { Hono } from "hono";
import { statusOf, type TaskStatus, taskStatuses, toQueue, toTask } from "../../contract/task-wire.ts";
import type { HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { readLimit } from "../read-limit.ts";
import type { ServerPorts } from "../server-ports.ts";

const findStatus = (text: string): TaskStatus | undefined => taskStatuses.find((status) => status === text);

export function addQueueRoutes(app: Hono<HttpEnv>, ports: ServerPorts): void {
  app.get("/api/v1/queue", async (context) => {
    const limit = readLimit(context.req.query("limit"));
    if (limit === null)
      return refuse(context, { code: "REQUEST_INVALID", param: "limit", detail: "limit must be a whole number from 1 to 1000." });
    const filter = context.req.query("status_filter");
    const wanted = filter === undefined ? undefined : findStatus(filter);
    if (filter !== undefined && wanted === undefined) {
      return refuse(context, {
        code: "REQUEST_INVALID",
        status: 400,
        param: "status_filter",
        detail: `status_filter must be one of ${taskStatuses.join(", ")}.`,
      });
    }
    const { jobs } = await ports.jobs.list({ limit });
    const shown = wanted === undefined ? jobs : jobs.filter((job) => statusOf(job) === wanted);
    const tasks = shown.map((job) => toTask(job, ports.progressOf(job.id)));
    return context.json(toQueue(tasks, await ports.jobs.counts()), 200, { "cache-control": "no-cache" });
  });

  app.post("/api/v1/queue/:id/cancel", async (context) => {
    const id = context.req.param("id");
    const before = await ports.jobs.get(id);
    const notFound = () => refuse(context, { code: "JOB_NOT_FOUND", detail: "Task not found" });
    if (before === null) return notFound();
    const outcome = await ports.control.cancelJob(id, `client:${context.get("apiKeyId")}`);
    if (outcome === "absent") return notFound();
    if (outcome === "ended") {
      const status = statusOf((await ports.jobs.get(id)) ?? before);
      return refuse(context, { code: "JOB_STATE_CONFLICT", status: 400, detail: `Cannot cancel task with status: ${status}` });
    }
    const message = outcome === "cancelled" ? "Task cancelled" : "Cancellation requested; the render is being stopped";
    return context.json({ message, task_id: id });
  });
}
