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

/** Serves one file of a page, read when it is first asked for. */
export function addPageFile(app: ApiApp, { path, type, url }: { readonly path: string; readonly type: string; readonly url: URL }): void {
  let kept: { readonly text: string; readonly etag: string } | undefined;
  const read = (): { readonly text: string; readonly etag: string } => {
    const text = readFileSync(url, "utf8");
    return { text, etag: `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"` };
  };
  app.openapi(pageFile(path, type), (context) => {
    kept ??= read();
    const headers = { etag: kept.etag, "cache-control": "no-cache" };
    if (context.req.header("if-none-match") === kept.etag) return context.body(null, 304, headers);
    return context.body(kept.text, 200, { ...headers, "content-type": type });
  });
}

export function addPageRoutes(app: ApiApp): void {
  for (const { path, name, type } of files) addPageFile(app, { path, type, url: new URL(`../page/${name}`, import.meta.url) });
}
