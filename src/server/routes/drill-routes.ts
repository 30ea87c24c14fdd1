/** Routes that run drills in the live service: a fault, and how well the service stood it. */
import { listDrills, runDrill } from "../../contract/api/drill-api.ts";
import { toDrillList, toScoreCard } from "../../contract/drill-wire.ts";
import type { ApiApp } from "../api-app.ts";
import { refuse } from "../problems.ts";
import type { ServerPorts } from "../server-ports.ts";

export function addDrillRoutes(app: ApiApp, ports: ServerPorts): void {
  app.openapi(listDrills, async (context) => context.json(toDrillList(await ports.drills.list()), 200));

  /** The answer comes when the drill has ended, which takes from seconds to some minutes. */
  app.openapi(runDrill, async (context) => {
    const { name } = context.req.valid("param");
    const card = await ports.drills.run(name, context.get("actor"));
    if (card !== null) return context.json(toScoreCard(card), 200);
    const names = (await ports.drills.list()).map((drill) => drill.name);
    return refuse(context, {
      code: "NOT_FOUND",
      detail: `There is no drill ${name.slice(0, 60)}; there are ${names.join(", ")}.`,
    });
  });
}
