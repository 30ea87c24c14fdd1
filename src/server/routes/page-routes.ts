/** The page's files, read once. The build copies them beside the compiled server. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pageFile } from "../../contract/api/page-api.ts";
import type { ApiApp } from "../api-app.ts";

const files = [
  { path: "/", name: "index.html", type: "text/html; charset=utf-8" },
  { path: "/page.js", name: "page.js", type: "text/javascript; charset=utf-8" },
  { path: "/key.js", name: "key.js", type: "text/javascript; charset=utf-8" },
  { path: "/stream.js", name: "stream.js", type: "text/javascript; charset=utf-8" },
  { path: "/page.css", name: "page.css", type: "text/css; charset=utf-8" },
  { path: "/icon.svg", name: "icon.svg", type: "image/svg+xml" },
] as const;

export function addPageRoutes(app: ApiApp): void {
  for (const { path, name, type } of files) {
    const text = readFileSync(new URL(`../page/${name}`, import.meta.url), "utf8");
    const etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;
    app.openapi(pageFile(path, type), (context) => {
      const headers = { etag, "cache-control": "no-cache" };
      if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
      return context.body(text, 200, { ...headers, "content-type": type });
    });
  }
}
