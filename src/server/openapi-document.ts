/** The OpenAPI document of an application: everything that it answers to comes from the definitions of its routes. */
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { describedMedia } from "../contract/api/documented-body.ts";
import type { ModelCatalog } from "../core/model-catalog.ts";
import { present } from "../core/present.ts";
import type { ApiApp } from "./api-app.ts";

export type ApiDocument = ReturnType<ApiApp["getOpenAPI31Document"]>;

const description = `Keeps a generative-video service answering while models, GPU, worker, host or network fail.

Every refusal is a problem (RFC 9457) with a stable \`code\`. 429 means that you ask too much, 503 with \`Retry-After\` that the
service cannot do it now. \`x-understudy-role\` of an operation is the role that a key needs for it; where the service has no key,
everybody who reaches its loopback address may do everything.`;

const describedContent = (content: object | undefined, catalog: ModelCatalog) =>
  Object.fromEntries(
    Object.entries(content ?? {}).flatMap(([type, media]) =>
      media === undefined ? [] : [[type, describedMedia(media, catalog)]],
    ),
  );

/** A route as the document of one service shows it: bodies that no library checks are described with that service's models. */
function withModels({ request, responses, ...route }: RouteConfig, catalog: ModelCatalog): RouteConfig {
  const body = request?.body;
  const answers = Object.entries(responses).map(([status, answer]) => {
    const hasContent = "content" in answer && answer.content !== undefined;
    return [status, hasContent ? { ...answer, content: describedContent(answer.content, catalog) } : answer];
  });
  return {
    ...route,
    ...present({
      request:
        body === undefined
          ? request
          : { ...request, body: { ...body, content: describedContent(body.content, catalog) } },
    }),
    responses: Object.fromEntries(answers),
  };
}

/** @param catalog the models that the described service knows */
export function describeApi(app: ApiApp, version: string, catalog: ModelCatalog): ApiDocument {
  // A copy of the definitions: routes are shared by all services of a process, and each has models of its own.
  const described = new OpenAPIHono();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type === "route") described.openAPIRegistry.registerPath(withModels(definition.route, catalog));
    if (definition.type === "component")
      described.openAPIRegistry.registerComponent(definition.componentType, definition.name, definition.component);
  }
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Understudy", version, description, license: { name: "Apache-2.0" } },
    security: [{ bearer: [] }],
  });
}

/** Registers how clients identify themselves. It is told once, before the document is made. */
export function registerSecurity(app: ApiApp): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
}
