/** A typed client: paths, queries, bodies and answers are those of the definitions, so that a wrong one is a compile error. */
import type { RouteConfig, RouteConfigToTypedResponse, RouteHandler } from "@hono/zod-openapi";
import type { Env, Handler, Hono, ToSchema } from "hono";
import { type ClientRequestOptions, hc } from "hono/client";
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
