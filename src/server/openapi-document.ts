/** The OpenAPI document of an application: everything that it answers to comes from the definitions of its routes. */
import type { ApiApp } from "./api-app.ts";

export type ApiDocument = ReturnType<ApiApp["getOpenAPI31Document"]>;

const description = `Keeps a generative-video service answering while models, GPU, worker, host or network fail.

Every refusal is a problem (RFC 9457) with a stable \`code\`. 429 means that you ask too much, 503 with \`Retry-After\` that the
service cannot do it now. \`x-understudy-role\` of an operation is the role that a key needs for it; where the service has no key,
everybody who reaches its loopback address may do everything.`;

export function describeApi(app: ApiApp, version: string): ApiDocument {
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Understudy", version, description, license: { name: "Apache-2.0" } },
    security: [{ bearer: [] }],
  });
}

/** Told once, before the document is made. */
export function registerSecurity(app: ApiApp): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
}
