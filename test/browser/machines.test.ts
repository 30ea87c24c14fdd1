import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { launchBrowser, type OpenPage, openPage } from "./open-page.ts";

let browser: Browser;
let service: RunningService;
const directory = makeStateDir();
const pages: OpenPage[] = [];

beforeAll(async () => {
  browser = await launchBrowser();
  service = await startService({
    stateDir: directory.path,
    args: ["--inspect", "--sim-speed", "0.5"],
    limitMs: 50_000,
  });
}, 90_000);
afterEach(async () => {
  for (const page of pages.splice(0)) await page.close();
});
afterAll(async () => {
  await browser.close();
  await endService(service);
  directory.remove();
});

async function open(path: string, options?: Parameters<typeof openPage>[2]): Promise<OpenPage> {
  const page = await openPage(browser, `${service.url}${path}`, options);
  pages.push(page);
  return page;
}

const litStates = ({ page }: OpenPage): Promise<string[]> =>
  page
    .locator("#chart .active")
    .evaluateAll((groups: { readonly dataset: { readonly state: string } }[]) =>
      groups.map(({ dataset }) => dataset.state),
    );

describe("the page of the machines", () => {
  it("lists every actor, and shows the chosen one's chart with its active states lit and named", async () => {
    const page = await open("/machines");
    await until("the actors are listed", async () => (await page.page.locator("#actors button").count()) >= 6);
    expect(await page.page.locator("#actors b").allTextContents()).toEqual(
      expect.arrayContaining([
        "supervisor",
        "health-monitor",
        "worker-0/worker",
        "worker-0/pipeline",
        "worker-0/model-loader",
      ]),
    );
    await page.page.getByRole("button", { name: /^worker-0\/model-loader/ }).click();
    await until("the model is ready", async () => (await page.text("path")) === "ready", 60_000);
    await until("its state is lit", async () => (await litStates(page)).join() === "ready");
    // Not by colour alone: a word stands at the state, and a sentence says what it means.
    expect(await page.page.locator("#chart .now").allTextContents()).toEqual(["● now"]);
    expect(await page.text("meaning")).toBe("The model is on the card and its last proof passed.");
    expect(await page.text("since")).toMatch(/^\d+ (?:s|min)/);
    expect(await page.page.locator("#recent li").count()).toBeGreaterThan(2);
    await page.picture("machines-loader");
    expect(page.problems).toEqual([]);
  });

  it("follows a render: states, countdown and transitions, without being asked", async () => {
    const page = await open("/machines#worker-0%2Fpipeline");
    await until("the pipeline is shown", async () => (await page.text("name")).startsWith("worker-0/pipeline"));
    await until("its chart is there", async () => (await litStates(page)).length > 0);
    await service.submit();
    const paths = new Set<string>();
    const deadlines = new Set<string>();
    await until("the render is seen", async () => {
      paths.add(await page.text("path"));
      deadlines.add(await page.text("deadline"));
      if (
        [...paths].some((path) => path.endsWith("denoising")) &&
        (await litStates(page)).includes("inHand.generating.denoising")
      ) {
        await page.picture("machines-rendering");
        return true;
      }
      return false;
    });
    await until("it is over", async () => (await page.text("path")) === "idle", 60_000);
    expect([...deadlines].some((text) => /^\w+ in \d+ /.test(text))).toBe(true);
    expect(
      (await page.page.locator("#recent li").allTextContents()).some((line) =>
        line.includes("inHand.generating.denoising"),
      ),
    ).toBe(true);
    expect(page.problems).toEqual([]);
  });

  it("fits a telephone in the dark and asks for no motion where none is wanted", async () => {
    const page = await open("/machines#worker-0%2Fworker", {
      viewport: { width: 390, height: 844 },
      colorScheme: "dark",
      reducedMotion: "reduce",
    });
    await until("the worker is shown", async () => (await litStates(page)).length > 0);
    expect(await page.page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    expect(
      await page.page.evaluate("getComputedStyle(document.querySelector('#chart .active > rect')).animationName"),
    ).toBe("none");
    await page.picture("machines-telephone-dark");
    expect(page.problems).toEqual([]);
  });

  it("is used with the keyboard", async () => {
    const { page, text } = await open("/machines");
    await until("the actors are listed", async () => (await page.locator("#actors button").count()) >= 6);
    const button = page.getByRole("button", { name: /^health-monitor/ });
    await button.focus();
    await page.keyboard.press("Enter");
    await until("it is chosen", async () => (await text("name")) === "health-monitor");
    expect(await page.evaluate("document.activeElement.id")).toBe("actor:health-monitor");
  });
});

describe("the inspector's page", () => {
  it("hands frames to the viewer that it opened, and to nobody else", async () => {
    const page = await open("/inspector");
    // The hosted viewer, as its package says that it behaves: it tells its opener that it is there, and hears frames from it.
    const viewer = `<script>
      window.heard = [];
      addEventListener("message", ({ data }) => window.heard.push(data));
      opener.postMessage({ type: "@statelyai.connected" }, "*");
    </script>`;
    await page.page
      .context()
      .route("https://stately.ai/**", (route) => route.fulfill({ contentType: "text/html", body: viewer }));
    const [popup] = await Promise.all([
      page.page.context().waitForEvent("page"),
      page.page.getByRole("button", { name: "Open the viewer" }).click(),
    ]);
    const names = await until("the viewer has heard of the actors", async () => {
      const heard = (await popup.evaluate("window.heard")) as { type: string; name?: string }[];
      return heard.length >= 6 ? heard.map(({ name }) => name) : undefined;
    });
    expect(names[0]).toBe("supervisor");
    expect(await page.text("state")).toMatch(/^\d+ frames were handed over\.$/);
    expect(page.problems).toEqual([]);
  });
});
