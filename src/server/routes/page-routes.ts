/** Serves the pages' files, each read once. The build copies them beside the compiled server. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pageFile } from "../../contract/api/page-api.ts";
import { packageRoot } from "../../core/package-root.ts";
import type { ApiApp } from "../api-app.ts";
import { contentSecurityPolicy } from "../safety/secure-headers.ts";

const html = "text/html; charset=utf-8";
const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";
const drawing = "image/svg+xml";
const page = (name: string): URL => new URL(`../page/${name}`, import.meta.url);
/** The charts are drawn from the machines when they change, and shipped beside the program. */
const chart = (name: string): URL => new URL(`visualizations/${name}`, packageRoot);
const machines = ["circuit-breaker", "health-monitor", "model-loader", "pipeline", "recovery", "supervisor", "worker"];

const files: readonly PageFile[] = [
  { path: "/", type: html, url: page("index.html") },
  { path: "/machines", type: html, url: page("machines.html") },
  // The inspector's page hands frames to a window of another origin, which a page that is cut off from what it opens
  // could not.
  { path: "/inspector", type: html, url: page("inspector.html"), openerPolicy: "same-origin-allow-popups" },
  ...["page.js", "key.js", "stream.js", "words.js", "machines.js", "inspector.js"].map((name) => ({
    path: `/${name}`,
    type: script,
    url: page(name),
  })),
  ...["page.css", "machines.css"].map((name) => ({ path: `/${name}`, type: style, url: page(name) })),
  { path: "/icon.svg", type: drawing, url: page("icon.svg") },
  ...machines.map((name) => ({ path: `/machines/${name}.svg`, type: drawing, url: chart(`${name}.svg`) })),
];

export interface PageFile {
  readonly path: string;
  readonly type: string;
  readonly url: URL;
  readonly openerPolicy?: string;
  /** The sources of its pictures, when they are not files of its own alone. */
  readonly imageSources?: string;
}

/** Serves one file of a page, read when it is first asked for. */
export function addPageFile(app: ApiApp, { path, type, url, openerPolicy, imageSources }: PageFile): void {
  let kept: { readonly text: string; readonly etag: string } | undefined;
  const read = (): { readonly text: string; readonly etag: string } => {
    const text = readFileSync(url, "utf8");
    return { text, etag: `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"` };
  };
  app.openapi(pageFile(path, type), (context) => {
    kept ??= read();
    if (openerPolicy !== undefined) context.header("cross-origin-opener-policy", openerPolicy);
    if (imageSources !== undefined) context.header("content-security-policy", contentSecurityPolicy(imageSources));
    const headers = { etag: kept.etag, "cache-control": "no-cache" };
    if (context.req.header("if-none-match") === kept.etag) return context.body(null, 304, headers);
    return context.body(kept.text, 200, { ...headers, "content-type": type });
  });
}

export function addPageRoutes(app: ApiApp): void {
  for (const file of files) addPageFile(app, file);
}
