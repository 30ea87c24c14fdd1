/** Routes of the queue as the compatible clients poll it. */
import { cancelTask, clearQueue, deleteTask, listQueue } from "../../contract/api/queue-api.ts";
import { statusOf, toQueue, toTask } from "../../contract/task-wire.ts";
import { type ApiApp, refuseInvalidWith } from "../api-app.ts";
import { refuse } from "../problems.ts";
import { clearEnded, removeJob } from "../remove-jobs.ts";
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
    const outcome = await ports.control.cancelJob(id, context.get("actor"));
    if (outcome === "absent") return notFound();
    if (outcome === "ended") {
      const status = statusOf((await ports.jobs.get(id)) ?? before);
      return refuse(context, {
        code: "JOB_STATE_CONFLICT",
        status: 400,
        detail: `Cannot cancel task with status: ${status}`,
      });
    }
    const message = outcome === "cancelled" ? "Task cancelled" : "Cancellation requested; the render is being stopped";
    return context.json({ message, task_id: id }, 200);
  });

  app.openapi(deleteTask, async (context) => {
    const { id } = context.req.valid("param");
    const outcome = await removeJob(ports, id, context.get("actor"));
    switch (outcome) {
      case "removed":
        return context.json({ message: "Task deleted", task_id: id }, 200);
      case "absent":
        return refuse(context, { code: "JOB_NOT_FOUND", detail: "Task not found" });
      case "active":
        return refuse(context, {
          code: "JOB_STATE_CONFLICT",
          status: 400,
          detail: "Cannot delete an active task; cancel it first",
        });
      case "stopping":
        return refuse(context, {
          code: "JOB_STATE_CONFLICT",
          detail: "The render is still being stopped; delete it once more then.",
        });
    }
  });

  app.openapi(clearQueue, async (context) => {
    const count = await clearEnded(ports, context.get("actor"));
    return context.json({ message: `Cleared ${count} ${count === 1 ? "task" : "tasks"}`, cleared_tasks: count }, 200);
  });
}
