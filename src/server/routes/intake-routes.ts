/** Routes by which an operator pauses, drains and resumes the service. */
import { pauseIntake, resumeIntake } from "../../contract/api/intake-api.ts";
import { toIntake } from "../../contract/intake-wire.ts";
import type { ApiApp } from "../api-app.ts";
import { refuse } from "../problems.ts";
import { readOptionalJson } from "../read-optional-json.ts";
import type { ServerPorts } from "../server-ports.ts";

/**
 * The answer waits this long. The stop ladder's own time is longer; the answer then says which workers still hold their
 * card.
 */
const releaseWaitMs = 30_000;

export function addIntakeRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(pauseIntake, async (context) => {
    const body = await readOptionalJson(context);
    if (body.kind === "malformed") return refuse(context, { code: "REQUEST_MALFORMED", detail: body.detail });
    const wanted = body.fields["release_gpu"] ?? false;
    if (typeof wanted !== "boolean")
      return refuse(context, {
        code: "REQUEST_INVALID",
        param: "release_gpu",
        detail: "release_gpu must be true or false.",
      });
    const by = context.get("actor");
    return context.json(
      toIntake(await ports.intake.pause({ isReleasing: wanted, waitMs: releaseWaitMs, by }), wanted),
      200,
    );
  });

  app.openapi(resumeIntake, async (context) =>
    context.json(toIntake(await ports.intake.resume(context.get("actor")), false), 200),
  );
}
