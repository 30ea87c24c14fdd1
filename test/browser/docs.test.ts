import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { launchBrowser, openPage } from "./open-page.ts";

let browser: Browser;
let service: RunningService;
const directory = makeStateDir();

beforeAll(async () => {
  browser = await launchBrowser();
  service = await startService({ stateDir: directory.path, limitMs: 50_000 });
}, 90_000);
afterAll(async () => {
  await browser.close();
  await endService(service);
  directory.remove();
});

it("shows every operation of the interface, and asks nobody but the service itself", { timeout: 90_000 }, async () => {
  const hosts = new Set<string>();
  const opened = await openPage(browser, `${service.url}/docs`);
  opened.page.on("request", (request) => hosts.add(new URL(request.url()).origin));
  await opened.page.reload();
  const shown = opened.page.locator(".opblock-summary-path");
  await until("the operations are listed", async () => (await shown.count()) > 0, 60_000);
  const { body } = await service.json<{ paths: Record<string, Record<string, unknown>> }>("/openapi.json");
  const listed = Object.values(body.paths).reduce((sum, operations) => sum + Object.keys(operations).length, 0);
  await until("all of them are", async () => (await shown.count()) === listed, 60_000);
  expect(
    await shown.evaluateAll((paths: { readonly dataset: { readonly path: string } }[]) =>
      paths.map(({ dataset }) => dataset.path),
    ),
  ).toEqual(expect.arrayContaining(["/api/v1/recovery/trigger", "/api/v1/jobs", "/v1/videos"]));
  await opened.page.locator('[data-path="/api/v1/recovery/trigger"]').click();
  await until("what a trigger takes is shown", async () =>
    ((await opened.page.locator(".opblock.is-open").textContent()) ?? "").includes("failure_type"),
  );
  expect([...hosts]).toEqual([service.url]);
  expect(opened.problems).toEqual([]);
  await opened.close();
});
