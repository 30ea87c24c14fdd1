/** Routes that order faults, with simulated workers only. */
import { killWorker } from "../../contract/api/simulator-api.ts";
import type { ApiApp } from "../api-app.ts";
import { refuse } from "../problems.ts";
import { readOptionalJson } from "../read-optional-json.ts";
import type { ServerPorts } from "../server-ports.ts";

export function addSimulatorRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(killWorker, async (context) => {
    const body = await readOptionalJson(context);
    if (body.kind === "malformed") return refuse(context, { code: "REQUEST_MALFORMED", detail: body.detail });
    const foreign = Object.keys(body.fields).find((name) => name !== "worker_id");
    if (foreign !== undefined)
      return refuse(context, {
        code: "REQUEST_INVALID",
        param: foreign,
        detail: "The only field is worker_id, a worker's name.",
      });
    const workerId = body.fields["worker_id"] ?? null;
    if (workerId !== null && (typeof workerId !== "string" || workerId.length > 64)) {
      return refuse(context, {
        code: "REQUEST_INVALID",
        param: "worker_id",
        detail: "worker_id must be a worker's name.",
      });
    }
    const outcome = await ports.control.killWorker(workerId, context.get("actor"));
    if (outcome.kind === "absent") return refuse(context, { code: "NOT_FOUND", detail: outcome.message });
    if (outcome.kind === "notSimulated")
      return refuse(context, { code: "FEATURE_UNSUPPORTED", detail: outcome.message });
    return context.json(
      { message: `${outcome.workerId} was killed`, worker_id: outcome.workerId, pid: outcome.pid },
      200,
    );
  });
}
