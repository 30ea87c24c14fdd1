/** The pages' files, read once. The build copies them beside the compiled server. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pageFile } from "../../contract/api/page-api.ts";
import type { ApiApp } from "../api-app.ts";

const html = "text/html; charset=utf-8";
const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";
const drawing = "image/svg+xml";
const page = (name: string): URL => new URL(`../page/${name}`, import.meta.url);
/** Drawn from the machines when they change, and shipped beside the program. */
const chart = (name: string): URL => new URL(`../../../visualizations/${name}`, import.meta.url);
const machines = ["circuit-breaker", "health-monitor", "model-loader", "pipeline", "recovery", "supervisor", "worker"];

const files = [
  { path: "/", type: html, url: page("index.html") },
  { path: "/machines", type: html, url: page("machines.html") },
  { path: "/inspector", type: html, url: page("inspector.html") },
  ...["page.js", "key.js", "stream.js", "machines.js", "inspector.js"].map((name) => ({ path: `/${name}`, type: script, url: page(name) })),
  ...["page.css", "machines.css"].map((name) => ({ path: `/${name}`, type: style, url: page(name) })),
  { path: "/icon.svg", type: drawing, url: page("icon.svg") },
  ...machines.map((name) => ({ path: `/machines/${name}.svg`, type: drawing, url: chart(`${name}.svg`) })),
];

/** Hands its frames to a window of another origin, which a page that is cut off from what it opens could not. */
const opensWindows = "/inspector";

export function addPageRoutes(app: ApiApp): void {
  for (const { path, type, url } of files) {
    const text = readFileSync(url, "utf8");
    const etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;
    app.openapi(pageFile(path, type), (context) => {
      if (path === opensWindows) context.header("cross-origin-opener-policy", "same-origin-allow-popups");
      const headers = { etag, "cache-control": "no-cache" };
      if (context.req.header("if-none-match") === etag) return context.body(null, 304, headers);
      return context.body(text, 200, { ...headers, "content-type": type });
    });
  }
}
