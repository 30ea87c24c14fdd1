/** A typed client: paths, queries, bodies and answers are those of the definitions, so that a wrong one is a compile error. */
import type { RouteConfig, RouteConfigToTypedResponse, RouteHandler } from "@hono/zod-openapi";
import type { Env, Handler, Hono, ToSchema } from "hono";
import { type ClientRequestOptions, hc } from "hono/client";
import { type EventFrame, isKnownFrame } from "../event-frames.ts";
import type { AnyRoute } from "./all-routes.ts";

/** `/queue/{id}/cancel` → `/queue/:id/cancel`. */
type HonoPath<Path extends string> = Path extends `${infer Start}/{${infer Param}}${infer Rest}`
  ? `${Start}/:${Param}${HonoPath<Rest>}`
  : Path;

type InputOf<Route extends RouteConfig> =
  RouteHandler<Route> extends Handler<infer _Env, infer _Path, infer Given, infer _Answer> ? Given : never;

type SchemaOf<Route> = Route extends RouteConfig
  ? ToSchema<Route["method"], HonoPath<Route["path"]>, InputOf<Route>, RouteConfigToTypedResponse<Route>>
  : never;

type Merged<Union> = (Union extends unknown ? (value: Union) => void : never) extends (value: infer All) => void
  ? All
  : never;

/** The server as its clients see it. */
export type ApiSchema = Merged<SchemaOf<AnyRoute>>;

/** `createApiClient("http://127.0.0.1:9000").api.v1.queue.$get({ query: { limit: "20" } })` */
export const createApiClient = (address: string, options?: ClientRequestOptions) =>
  hc<Hono<Env, ApiSchema & object, "/">>(address, options);

/** One message of server-sent events: its lines by name; null for a comment or a hint, which carry no data. */
function frameOf(block: string): EventFrame | null {
  const lines = block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
  const { event, id, data } = Object.fromEntries(lines) as Readonly<Record<string, string | undefined>>;
  if (event === undefined || data === undefined || !isKnownFrame(event)) return null;
  // The service speaks the contract: its own tests parse what it sends.
  return { event, id: id === undefined ? null : Number(id), data: JSON.parse(data) } as EventFrame;
}

/**
 * The frames of `/api/v1/events`, until the stream ends: `for await (const frame of readFrames(answer)) if (frame.event ===
 * "worker.exited") console.log(frame.data.data.signal)`. What a newer service sends, and this client does not know, is left out.
 */
export async function* readFrames({ body }: Pick<Response, "body">): AsyncGenerator<EventFrame> {
  if (body === null) return;
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const frame = frameOf(block);
      if (frame !== null) yield frame;
    }
  }
}
