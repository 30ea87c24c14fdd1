/** Serves the contract: `/openapi.json` for programs, and `/docs` for people, with Swagger UI from local files. */
import { existsSync } from "node:fs";
import type { JSONValue } from "hono/utils/types";
import { showDocument } from "../../contract/api/document-api.ts";
import { packageRoot } from "../../core/package-root.ts";
import type { ApiApp } from "../api-app.ts";
import { type ApiDocument, describeApi } from "../openapi-document.ts";
import type { ServerPorts } from "../server-ports.ts";
import { addPageFile } from "./page-routes.ts";

/** The folder where the build puts Swagger UI, and the one where it lies in a clone. */
const swaggerFolders = [
  new URL("../swagger-ui/", import.meta.url),
  new URL("node_modules/swagger-ui-dist/", packageRoot),
];

function swaggerFile(name: string): URL {
  const [built, installed] = swaggerFolders.map((folder) => new URL(name, folder));
  return (built !== undefined && existsSync(built) ? built : installed) as URL;
}

export function addDocumentRoutes(app: ApiApp, ports: Pick<ServerPorts, "status" | "catalog">): void {
  let document: ApiDocument | undefined;
  app.openapi(showDocument, (context) => {
    document ??= describeApi(app, ports.status().version, ports.catalog);
    const shown: object = document;
    return context.json(shown as Record<string, JSONValue>, 200, { "cache-control": "no-cache" });
  });
  const script = "text/javascript; charset=utf-8";
  const docs = new URL("../docs/index.html", import.meta.url);
  // Swagger's style sheet carries its icons in itself.
  addPageFile(app, { path: "/docs", type: "text/html; charset=utf-8", url: docs, imageSources: "'self' data:" });
  addPageFile(app, { path: "/docs/start.js", type: script, url: new URL("../docs/start.js", import.meta.url) });
  addPageFile(app, { path: "/docs/swagger-ui-bundle.js", type: script, url: swaggerFile("swagger-ui-bundle.js") });
  addPageFile(app, {
    path: "/docs/swagger-ui.css",
    type: "text/css; charset=utf-8",
    url: swaggerFile("swagger-ui.css"),
  });
}
