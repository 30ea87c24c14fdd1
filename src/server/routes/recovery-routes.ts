/** The seed's recovery endpoints. `trigger` and `reset` answer 200 also when nothing could be repaired, as the seed does. */
import type { Hono } from "hono";
import {
  failureTypeRefusal,
  findFailureType,
  toActions,
  toHealth,
  toRecoveryStatus,
  toReset,
  toTriggered,
} from "../../contract/recovery-wire.ts";
import type { HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import { readOptionalJson } from "../read-optional-json.ts";
import type { ServerPorts } from "../server-ports.ts";

const longestWaitMs = 120_000;
const isYes = (value: unknown): boolean => value === true || value === "true" || value === "1";

/** Seconds to wait for the climb's end; null where the text is no such number. */
function readWaitMs(text: string | undefined): number | null {
  if (text === undefined) return longestWaitMs;
  return /^\d{1,6}$/.test(text) ? Math.min(Number(text) * 1_000, longestWaitMs) : null;
}

export function addRecoveryRoutes(app: Hono<HttpEnv>, ports: ServerPorts): void {
  const noStore = { "cache-control": "no-store" };
  app.get("/api/v1/recovery/status", (context) => context.json(toRecoveryStatus(ports.status(), ports.clock.nowMs()), 200, noStore));
  app.get("/api/v1/recovery/health", async (context) => context.json(toHealth(await ports.recovery.checkHealth()), 200, noStore));
  app.get("/api/v1/recovery/actions", (context) => context.json(toActions()));

  app.post("/api/v1/recovery/trigger", async (context) => {
    const body = await readOptionalJson(context);
    if (body.kind === "malformed") return refuse(context, { code: "REQUEST_MALFORMED", detail: body.detail });
    const given = body.fields["failure_type"] ?? context.req.query("failure_type");
    const failureType = findFailureType(given);
    if (failureType === undefined)
      return refuse(context, { code: "REQUEST_INVALID", status: 400, param: "failure_type", detail: failureTypeRefusal(given) });
    const waitMs = readWaitMs(context.req.query("wait"));
    if (waitMs === null) return refuse(context, { code: "REQUEST_INVALID", param: "wait", detail: "wait must be a number of seconds." });
    const triggered = await ports.recovery.trigger({
      failureType,
      isForced: isYes(body.fields["force"]) || isYes(context.req.query("force")),
      waitMs,
      by: `operator:${context.get("apiKeyId")}`,
    });
    return context.json(toTriggered(failureType, triggered, ports.clock.nowMs()), 200, noStore);
  });

  app.post("/api/v1/recovery/reset", async (context) => {
    const reset = await ports.recovery.reset(`operator:${context.get("apiKeyId")}`);
    return context.json(toReset(reset, ports.clock.nowMs()), 200, noStore);
  });
}
