import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { routeFiles } from "../../src/contract/api/all-routes.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { describeApi } from "../../src/server/openapi-document.ts";
import { rolesOf } from "../../src/server/safety/access.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeAll(() => {
  world = createServerWorld(createVirtualClock());
});
afterAll(() => world.close());

/** What each route needs. A row for every route, so that nobody opens one without saying so here. */
const table = `
  open      GET /
  open      GET /page.js
  open      GET /page.css
  open      GET /key.js
  open      GET /stream.js
  open      GET /words.js
  open      GET /icon.svg
  open      GET /machines
  open      GET /machines.js
  open      GET /machines.css
  open      GET /machines/circuit-breaker.svg
  open      GET /machines/health-monitor.svg
  open      GET /machines/model-loader.svg
  open      GET /machines/pipeline.svg
  open      GET /machines/recovery.svg
  open      GET /machines/supervisor.svg
  open      GET /machines/worker.svg
  open      GET /inspector
  open      GET /inspector.js
  open      GET /docs
  open      GET /docs/start.js
  open      GET /docs/swagger-ui-bundle.js
  open      GET /docs/swagger-ui.css
  open      GET /openapi.json
  open      GET /livez
  open      GET /readyz
  open      GET /health
  viewer    GET /metrics
  viewer    GET /api/v1/system/health
  viewer    GET /api/v1/status
  open      GET /api/health
  viewer    GET /api/v1/system/stats
  viewer    GET /api/v1/system/stats/history
  viewer    GET /api/v1/system/hardware/profile
  viewer    GET /api/v1/system/optimization/status
  viewer    GET /api/v1/system/ports
  viewer    GET /api/v1/lora
  viewer    GET /api/v1/lora/list
  viewer    GET /api/v1/queue
  submitter POST /api/v1/queue/:id/cancel
  submitter DELETE /api/v1/queue/:id
  operator  POST /api/v1/queue/clear
  submitter POST /api/v1/generation/submit
  submitter POST /api/v1/generate
  viewer    GET /api/v1/generate/:id
  viewer    GET /api/v1/generation/models/detect
  viewer    GET /api/v1/outputs
  viewer    GET /api/v1/outputs/:id
  submitter DELETE /api/v1/outputs/:id
  viewer    GET /api/v1/outputs/:id/video
  viewer    GET /api/v1/outputs/:id/download
  viewer    GET /api/v1/outputs/:id/thumbnail
  viewer    GET /thumbnails/:name
  viewer    GET /artifacts/:sha256
  viewer    GET /api/v1/recovery/status
  viewer    GET /api/v1/recovery/health
  viewer    GET /api/v1/recovery/actions
  operator  POST /api/v1/recovery/trigger
  operator  POST /api/v1/recovery/reset
  viewer    GET /api/v1/recovery/recovery-attempts
  operator  POST /api/v1/recovery/health-monitoring/start
  operator  POST /api/v1/recovery/health-monitoring/stop
  operator  POST /api/v1/recovery/enable-mock-generation
  viewer    GET /api/v1/recovery/incidents
  viewer    GET /api/v1/recovery/incidents/:id
  viewer    GET /api/v1/recovery/analytics
  viewer    GET /api/v1/recovery/drills
  operator  POST /api/v1/recovery/drills/:name
  submitter POST /api/v1/jobs
  viewer    GET /api/v1/jobs
  viewer    GET /api/v1/jobs/:id
  submitter POST /api/v1/jobs/:id/cancel
  submitter POST /api/v1/jobs/:id/retry
  operator  POST /api/v1/jobs/:id/release
  operator  POST /api/v1/jobs/:id/drop
  operator  POST /api/v1/jobs/drain
  operator  POST /api/v1/jobs/pause
  operator  POST /api/v1/jobs/resume
  operator  POST /api/v1/simulator/kill
  viewer    GET /api/v1/models/status
  viewer    GET /api/v1/models/status/:type
  viewer    GET /api/v1/models/summary
  operator  POST /api/v1/models/download
  viewer    GET /api/v1/models/download/progress
  viewer    GET /api/v1/models/download/progress/:type
  operator  POST /api/v1/models/download/manage
  operator  POST /api/v1/models/verify/:type
  operator  POST /api/v1/models/validate/:type
  viewer    GET /api/v1/models/integration/status
  viewer    GET /api/v1/models/health
  viewer    POST /api/v1/models/fallback/suggest
  viewer    GET /api/v1/events
  viewer    GET /api/v1/health/stream
  viewer    GET /ws
  viewer    GET /api/v1/machines
  viewer    GET /api/v1/machines/stream
  operator  GET /inspect
  submitter POST /v1/videos
  viewer    GET /v1/videos
  viewer    GET /v1/videos/:id
  submitter DELETE /v1/videos/:id
  viewer    GET /v1/videos/:id/content
  submitter POST /v1/videos/:id/remix
  submitter POST /v1/videos/edits
  submitter POST /v1/videos/extensions
  viewer    GET /v1/models
  viewer    GET /v1/models/:model
`;
const rows = table
  .trim()
  .split("\n")
  .map((line) => /^(\S+) +(\S.*)$/.exec(line.trim()))
  .map((match) => [match?.[2] ?? "", match?.[1] ?? ""] as const);

describe("every route of the running application", () => {
  it("has a definition", () => {
    const defined = new Set(rolesOf(world.app).keys());
    const answered = world.app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path}`);
    expect([...new Set(answered)].filter((route) => !defined.has(route))).toEqual([]);
    expect(answered.length).toBeGreaterThan(40);
  });

  it("needs the role that the table says", () => {
    expect(Object.fromEntries(rolesOf(world.app))).toEqual(Object.fromEntries(rows));
  });

  it("is in the document with its role, a summary and what it refuses with", () => {
    const { paths = {} } = describeApi(world.app, "0", world.ports.catalog);
    const operations = Object.values(paths).flatMap((path) =>
      Object.values(path as Record<string, Record<string, unknown>>),
    );
    expect(operations).toHaveLength(rows.length);
    for (const operation of operations) {
      expect(operation).toMatchObject({
        "x-understudy-role": expect.any(String),
        summary: expect.stringMatching(/\.$/),
      });
      expect(operation["responses"]).toHaveProperty("default");
    }
  });

  it("is one that clients are typed by, but for the files of pages", () => {
    const typed = Object.values(routeFiles)
      .flatMap((file) => Object.values(file) as { readonly method: string; readonly path: string }[])
      .map(({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`);
    const pages = rows
      .map(([route]) => route)
      .filter((route) => /^GET \/(?:$|docs|machines(?:$|\/)|inspector$|[a-z]+\.(?:js|css|svg)$)/.test(route));
    expect([...typed, ...pages].toSorted()).toEqual(rows.map(([route]) => route).toSorted());
  });
});

describe("the document", () => {
  it("is OpenAPI 3.1, names its schemas and asks for a bearer key except where none is needed", async () => {
    const answer = await world.app.request("/openapi.json");
    const document = (await answer.json()) as ReturnType<typeof describeApi>;
    expect(document.openapi).toBe("3.1.0");
    expect(document.components?.securitySchemes).toEqual({ bearer: { type: "http", scheme: "bearer" } });
    expect(document.security).toEqual([{ bearer: [] }]);
    expect(Object.keys(document.components?.schemas ?? {})).toEqual(
      expect.arrayContaining(["Task", "Queue", "Video", "Problem", "Triggered"]),
    );
    expect(document.paths?.["/livez"]?.get?.security).toEqual([]);
    expect(document.paths?.["/api/v1/queue"]?.get?.security).toBeUndefined();
  });

  it.each([
    ["/docs", "text/html"],
    ["/docs/start.js", "text/javascript"],
    ["/docs/swagger-ui-bundle.js", "text/javascript"],
    ["/docs/swagger-ui.css", "text/css"],
  ])("has its page's file %s here, and nothing in it is fetched from elsewhere", async (path, type) => {
    const answer = await world.app.request(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toContain(type);
    const text = await answer.text();
    if (!path.includes("swagger")) expect(text).not.toMatch(/https?:\/\//);
    expect(
      (await world.app.request(path, { headers: { "if-none-match": answer.headers.get("etag") ?? "" } })).status,
    ).toBe(304);
  });
});
