import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { endService, makeStateDir, type RunningService, startService } from "../harness/running-service.ts";
import { launchBrowser } from "./open-page.ts";

/** A front end on another port: its page holds nothing, the test speaks from inside it. */
let frontEnd: Server;
let origin = "";
let browser: Browser;
let service: RunningService | undefined;
const directory = makeStateDir();

beforeAll(async () => {
  frontEnd = createServer((_request, answer) =>
    answer.setHeader("content-type", "text/html").end("<title>studio</title>"),
  );
  await new Promise<void>((resolve) => frontEnd.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(frontEnd.address() as AddressInfo).port}`;
  browser = await launchBrowser();
});
afterEach(async () => {
  if (service !== undefined) await endService(service);
  service = undefined;
});
afterAll(async () => {
  await browser.close();
  frontEnd.close();
  directory.remove();
});

interface Asked {
  readonly status: number | null;
  readonly taskId: string | null;
}

/** What a page of the other port gets for a submission; null where the browser keeps the answer from it. */
async function submitFromPage(url: string): Promise<Asked> {
  const page = await browser.newPage();
  try {
    await page.goto(origin);
    const script = `fetch(${JSON.stringify(`${url}/api/v1/generation/submit`)}, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model_type: "T2V-A14B", prompt: "a red fox", resolution: "854x480", steps: 4, num_frames: 9 }),
    }).then(async (answer) => ({ status: answer.status, taskId: (await answer.json()).task_id ?? null }), () => ({ status: null, taskId: null }))`;
    return (await page.evaluate(script)) as Asked;
  } finally {
    await page.close();
  }
}

it("a front end on another port submits when it is let in", async () => {
  service = await startService({ stateDir: directory.path, args: ["--allow-origin", origin] });
  const asked = await submitFromPage(service.url);
  expect(asked).toEqual({ status: 200, taskId: expect.any(String) });
  expect((await service.json(`/api/v1/generate/${asked.taskId}`)).status).toBe(200);
});

it("one that is not let in changes nothing, and the log names the flag", async () => {
  service = await startService({ stateDir: directory.path });
  const before = (await service.json<{ total_tasks: number }>("/api/v1/queue")).body.total_tasks;
  expect(await submitFromPage(service.url)).toEqual({ status: null, taskId: null });
  expect((await service.json<{ total_tasks: number }>("/api/v1/queue")).body.total_tasks).toBe(before);
  await expect.poll(() => service?.output() ?? "", { timeout: 10_000 }).toContain(`--allow-origin ${origin}`);
});
