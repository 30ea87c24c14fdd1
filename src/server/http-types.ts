/**
 * The types that routes and middleware share: what a request carries, how the application is set up, and what must be
 * ended with it.
 */
import type { HttpBindings } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { Consent } from "../core/job.ts";
import type { ActorName } from "../core/ports/job-store.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { RateLimit } from "./safety/rate-limiter.ts";

/** What middleware leaves for the routes behind it. */
interface RequestVariables {
  requestId: string;
  /** Whose request this is, as the store records it. */
  apiKeyId: string;
  /** The same caller, as rows of the event log name it. */
  actor: ActorName;
}

export interface HttpEnv {
  Variables: RequestVariables;
  Bindings: HttpBindings;
}

export type HttpContext = Context<HttpEnv>;
export type HttpMiddleware = MiddlewareHandler<HttpEnv>;

export interface AppOptions {
  /** The key of the environment, which may do everything; further ones lie in the store. */
  readonly apiKey: string | null;
  /** Host names besides localhost, 127.0.0.1 and [::1] under which clients may reach this service. */
  readonly allowedHosts: readonly string[];
  /** Origins of foreign pages that may call it. */
  readonly allowedOrigins: readonly string[];
  /** Others than this host can reach the service: nobody may act without a key. */
  readonly isExposed: boolean;
  /** Whoever started the service said that nobody needs a key. */
  readonly isInsecure: boolean;
  readonly rateLimit: RateLimit;
  /** The consent of requests to the compatible routes that say nothing about fallback and changes. */
  readonly consent: Consent;
  /** The same for the routes of `/api/v1/jobs` and for those in OpenAI's shape. */
  readonly ownConsent: Consent;
  /** How long results are kept at most. */
  readonly resultMaxAgeMs: number;
}

/** The application and what has to be ended with it. Usable by `request` without any socket. */
export type ServerApp = OpenAPIHono<HttpEnv> & {
  readonly streams: OpenStreams;
  /** There is a key, without which only open routes answer. */
  readonly isProtected: () => Promise<boolean>;
};
