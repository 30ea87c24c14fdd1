/**
 * The recovery endpoints of the compatible clients. `trigger` and `reset` answer 200 also when nothing could be repaired,
 * as those clients expect; the body says what happened.
 */
import {
  checkHealth,
  enableMock,
  listActions,
  listAttempts,
  resetRecovery,
  showRecovery,
  startMonitoring,
  stopMonitoring,
  triggerRecovery,
} from "../../contract/api/recovery-api.ts";
import {
  failureTypeRefusal,
  findFailureType,
  toActions,
  toAttemptList,
  toHealth,
  toRecoveryStatus,
  toReset,
  toTriggered,
} from "../../contract/recovery-wire.ts";
import { isoOf } from "../../core/clock.ts";
import type { ApiApp } from "../api-app.ts";
import { refuse } from "../problems.ts";
import { readOptionalJson } from "../read-optional-json.ts";
import type { ServerPorts } from "../server-ports.ts";

const longestWaitMs = 120_000;
/** The compatible clients give up after 30 s. */
const usualWaitMs = 25_000;
const isYes = (value: unknown): boolean => value === true || value === "true" || value === "1";

/**
 * Adds further routes under the names that the system whose clients this service serves gave them, though it never
 * mounted them.
 */
function addFurtherRoutes(app: ApiApp, ports: ServerPorts): void {
  const timestamp = (): string => isoOf(ports.clock.nowMs());
  app.openapi(listAttempts, (context) => {
    const { limit } = context.req.valid("query");
    return context.json(toAttemptList(ports.status(), limit, ports.clock.nowMs()), 200, {
      "cache-control": "no-store",
    });
  });
  app.openapi(startMonitoring, async (context) => {
    const isNew = await ports.recovery.setMonitoring(true, context.get("actor"));
    const message = isNew ? "Health monitoring started" : "Health monitoring is already active";
    return context.json({ health_monitoring_started: true, message, timestamp: timestamp() }, 200);
  });
  app.openapi(stopMonitoring, async (context) => {
    const isNew = await ports.recovery.setMonitoring(false, context.get("actor"));
    const message = isNew ? "Health monitoring stopped" : "Health monitoring was not active";
    return context.json({ health_monitoring_stopped: true, message, timestamp: timestamp() }, 200);
  });
  app.openapi(enableMock, (context) => {
    const { isMockEnabled, sentence } = ports.status();
    if (isMockEnabled)
      return context.json({ mock_generation_enabled: true as const, message: sentence, timestamp: timestamp() }, 200);
    return refuse(context, {
      code: "FEATURE_UNSUPPORTED",
      detail: "Stand-ins serve by themselves while the main model cannot, and never in the place of one that works.",
    });
  });
}

export function addRecoveryRoutes(app: ApiApp, ports: ServerPorts): void {
  const noStore = { "cache-control": "no-store" };
  app.openapi(showRecovery, (context) =>
    context.json(toRecoveryStatus(ports.status(), ports.clock.nowMs()), 200, noStore),
  );
  app.openapi(checkHealth, async (context) => context.json(toHealth(await ports.recovery.checkHealth()), 200, noStore));
  app.openapi(listActions, (context) => context.json(toActions(), 200));

  app.openapi(triggerRecovery, async (context) => {
    const body = await readOptionalJson(context);
    if (body.kind === "malformed") return refuse(context, { code: "REQUEST_MALFORMED", detail: body.detail });
    const query = context.req.valid("query");
    const given = body.fields["failure_type"] ?? query.failure_type;
    const failureType = findFailureType(given);
    if (failureType === undefined)
      return refuse(context, {
        code: "REQUEST_INVALID",
        status: 400,
        param: "failure_type",
        detail: failureTypeRefusal(given),
      });
    const workerId = body.fields["worker_id"] ?? query.worker_id ?? null;
    const { workers } = ports.status();
    if (workerId !== null && !workers.some(({ id }) => id === workerId)) {
      const detail = `There is no such worker; there are ${workers.map(({ id }) => id).join(", ")}.`;
      return refuse(context, { code: "REQUEST_INVALID", status: 400, param: "worker_id", detail });
    }
    const triggered = await ports.recovery.trigger({
      failureType,
      workerId: workerId as string | null,
      isForced: isYes(body.fields["force"]) || isYes(query.force),
      waitMs: query.wait === undefined ? usualWaitMs : Math.min(Number(query.wait) * 1_000, longestWaitMs),
      by: context.get("actor"),
    });
    return context.json(toTriggered(failureType, triggered, ports.clock.nowMs()), 200, noStore);
  });

  app.openapi(resetRecovery, async (context) => {
    const reset = await ports.recovery.reset(context.get("actor"));
    return context.json(toReset(reset, ports.clock.nowMs()), 200, noStore);
  });
  addFurtherRoutes(app, ports);
}
