/**
 * One definition a route: what it takes, what it answers, which codes it refuses with and whose key it needs. Types of the
 * handlers, checks of the requests, the OpenAPI document and the access rules all come from it.
 */
import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import type { z } from "zod";
import { type ErrorCode, errorCodes } from "../../core/error-codes.ts";
import type { AccessRole } from "../../core/words.ts";
import { problemSchema } from "../problem.ts";

const problemContent = { "application/problem+json": { schema: problemSchema } };

/** Whatever is not listed: the same problem under any other status. */
const anyProblem = { description: "A refusal, with a stable code.", content: problemContent };

export interface ApiRouteConfig<Path extends string> extends Omit<RouteConfig, "path" | "responses"> {
  readonly path: Path;
  /** `open` needs no key. */
  readonly role: AccessRole;
  readonly tags: string[];
  readonly summary: string;
  /** What it answers when it does what was asked. */
  readonly responses: RouteConfig["responses"];
  /** Codes that it refuses with, besides those that every route has. */
  readonly refusals?: readonly (ErrorCode | { readonly code: ErrorCode; readonly status: number })[];
}

type Refusals = NonNullable<ApiRouteConfig<string>["refusals"]>;

/** Each status with the codes that it stands for here. */
function describeRefusals(refusals: Refusals): RouteConfig["responses"] {
  const rows = refusals.map((refusal) =>
    typeof refusal === "string"
      ? { code: refusal, status: errorCodes[refusal].status }
      : { code: refusal.code, status: refusal.status },
  );
  const byStatus = Map.groupBy(rows, ({ status }) => status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map(({ code }) => `${code}: ${errorCodes[code].meaning}`).join(" "),
        content: problemContent,
      },
    ]),
  );
}

/** The name under which a route's role stands in the OpenAPI document. */
export const roleExtension = "x-understudy-role";

type ApiRoute<Path extends string, Config extends ApiRouteConfig<Path>> = Pick<
  Config,
  Extract<keyof Config, keyof RouteConfig & ("method" | "path" | "request" | "tags" | "summary")>
> & {
  readonly responses: Config["responses"] & { readonly default: typeof anyProblem };
  readonly [roleExtension]: AccessRole;
};

export function apiRoute<const Path extends string, const Config extends ApiRouteConfig<Path>>({
  role,
  refusals = [],
  responses,
  ...rest
}: Config): ApiRoute<Path, Config> {
  const route = {
    ...rest,
    ...(role === "open" ? { security: [] } : {}),
    [roleExtension]: role,
    responses: { ...responses, ...describeRefusals(refusals), default: anyProblem },
  };
  // The package infers a route from literals alone; what came of the parts is computed beside it, in ApiRoute.
  return createRoute(route as never) as never;
}

/** A JSON answer, for `responses`. */
export const jsonAnswer = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

/** A JSON body that must be there. */
export const jsonBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true as const,
  content: { "application/json": { schema } },
});
