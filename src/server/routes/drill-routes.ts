/** Drills against the running service: a fault, and how well the service stood it. */
import type { Hono } from "hono";
import { toDrillList, toScoreCard } from "../../contract/drill-wire.ts";
import type { HttpEnv } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

export function addDrillRoutes(app: Hono<HttpEnv>, ports: ServerPorts): void {
  app.get("/api/v1/recovery/drills", async (context) => context.json(toDrillList(await ports.drills.list())));

  /** Answers when the drill has ended, which takes from seconds to some minutes. */
  app.post("/api/v1/recovery/drills/:name", async (context) => {
    const name = context.req.param("name");
    const card = await ports.drills.run(name, `operator:${context.get("apiKeyId")}`);
    if (card !== null) return context.json(toScoreCard(card));
    const names = (await ports.drills.list()).map((drill) => drill.name);
    return refuse(context, { code: "NOT_FOUND", detail: `There is no drill ${name.slice(0, 60)}; there are ${names.join(", ")}.` });
  });
}
