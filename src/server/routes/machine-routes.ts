/**
 * Routes of the statecharts: what they are, where their actors stand, each step as it is made, and a feed for the
 * Stately Inspector.
 */
import { upgradeWebSocket } from "@hono/node-server";
import type { WSContext } from "hono/ws";
import type { WebSocket } from "ws";
import { inspectMachines, listMachines, streamMachines } from "../../contract/api/machine-api.ts";
import { toActors, toMachines, toStep } from "../../contract/machine-wire.ts";
import type { ApiApp } from "../api-app.ts";
import type { HttpContext } from "../http-types.ts";
import { refuse } from "../problems.ts";
import type { StreamFrame } from "../server-ports.ts";
import { openStream, type StreamParts } from "../streams/open-stream.ts";
import { encodeSse } from "../streams/sse-channel.ts";

/** A viewer that reads nothing is let go before it costs more memory than this. */
const longestBufferedBytes = 4 * 1024 * 1024;
const going = 1001;
const tryAgainLater = 1013;

/** Whether the far end of the connection is this computer. */
function isFromHere(context: HttpContext): boolean {
  const address = context.env?.incoming?.socket.remoteAddress ?? "";
  return address === "::1" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

function createInspection({ ports, streams }: StreamParts) {
  return upgradeWebSocket(() => {
    let leave: (() => void)[] = [];
    const close = (): void => {
      for (const step of leave) step();
      leave = [];
    };
    return {
      onOpen: (_event, socket) => {
        const { raw } = socket as WSContext<WebSocket>;
        const feed = ports.machines.inspector;
        if (feed === null) return;
        leave = [
          feed.connect((frame) => {
            if ((raw?.bufferedAmount ?? 0) > longestBufferedBytes) socket.close(tryAgainLater, "You read too slowly");
            else socket.send(JSON.stringify(frame));
          }),
          streams.add(() => socket.close(going, "The service is stopping")),
        ];
      },
      onClose: close,
      onError: close,
    };
  });
}

export function addMachineRoutes(app: ApiApp, parts: StreamParts): void {
  const { ports, streams } = parts;
  app.openapi(listMachines, (context) =>
    context.json(toMachines(ports.machines.charts(), ports.machines.actors(), ports.clock.nowMs()), 200),
  );
  app.openapi(streamMachines, (context) =>
    openStream(context, parts, (channel) => ({
      rows: () => undefined,
      frame: (frame: StreamFrame) => {
        if (frame.kind === "step")
          channel().send(encodeSse({ event: "step", data: toStep(frame.step, ports.clock.nowMs()) }));
      },
      begin: async () =>
        channel().send(encodeSse({ event: "snapshot", data: toActors(ports.machines.actors(), ports.clock.nowMs()) })),
    })),
  );
  const inspection = createInspection(parts);
  app.openapi(inspectMachines, (context, next) => {
    if (ports.machines.inspector === null)
      return refuse(context, { code: "NOT_FOUND", detail: "Start the service with --inspect to inspect it." });
    if (streams.hasEnded()) return refuse(context, { code: "DRAINING", detail: "The service is stopping." });
    if (context.req.header("upgrade")?.toLowerCase() !== "websocket" || context.env?.incoming === undefined)
      return refuse(context, {
        code: "REQUEST_MALFORMED",
        status: 426,
        detail: "This address speaks WebSocket.",
        headers: { upgrade: "websocket" },
      });
    if (!isFromHere(context))
      return refuse(context, { code: "ORIGIN_REFUSED", detail: "Only this computer may inspect the machines." });
    return inspection(context as HttpContext, next) as Promise<Response>;
  });
}
