import type { HttpBindings } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { Consent } from "../core/job.ts";
import type { OpenStreams } from "./open-streams.ts";

/** What middleware leaves for the routes behind it. */
export interface RequestVariables {
  requestId: string;
  /** Whose request this is, as the store records it. */
  apiKeyId: string;
}

export interface HttpEnv {
  Variables: RequestVariables;
  Bindings: HttpBindings;
}

export type HttpContext = Context<HttpEnv>;
export type HttpMiddleware = MiddlewareHandler<HttpEnv>;

export interface AppOptions {
  /** Null: no key is needed, and only a loopback address may be listened on. */
  readonly apiKey: string | null;
  /** Host names besides localhost, 127.0.0.1 and [::1] under which clients may reach this service. */
  readonly allowedHosts: readonly string[];
  /** Origins of foreign pages that may call it. */
  readonly allowedOrigins: readonly string[];
  /** For requests that say nothing about fallback and changes. */
  readonly consent: Consent;
}

/** The application and what has to be ended with it. Usable by `request` without any socket. */
export type ServerApp = OpenAPIHono<HttpEnv> & {
  readonly streams: OpenStreams;
  /** A key is asked for. */
  readonly isProtected: boolean;
};
