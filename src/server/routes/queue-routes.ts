/** The queue as the seed's clients poll it. */
import { cancelTask, listQueue } from "../../contract/api/queue-api.ts";
import { statusOf, toQueue, toTask } from "../../contract/task-wire.ts";
import { type ApiApp, refuseInvalidWith } from "../api-app.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

export function addQueueRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(
    listQueue,
    async (context) => {
      const { limit, status_filter: wanted } = context.req.valid("query");
      const { jobs } = await ports.jobs.list({ limit });
      const shown = wanted === undefined ? jobs : jobs.filter((job) => statusOf(job) === wanted);
      const tasks = shown.map((job) => toTask(job, ports.progressOf(job.id)));
      return context.json(toQueue(tasks, await ports.jobs.counts()), 200, { "cache-control": "no-cache" });
    },
    refuseInvalidWith({ status_filter: 400 }),
  );

  app.openapi(cancelTask, async (context) => {
    const { id } = context.req.valid("param");
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
    return context.json({ message, task_id: id }, 200);
  });
}
