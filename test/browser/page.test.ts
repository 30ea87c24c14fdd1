import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { launchBrowser, type OpenPage, openPage } from "./open-page.ts";

const apiKey = "a-key-of-the-test-0123456789abcdef";
let browser: Browser;
const pages: OpenPage[] = [];
const started: RunningService[] = [];
const directories: { remove: () => void }[] = [];

beforeAll(async () => {
  browser = await launchBrowser();
});
afterEach(async () => {
  for (const page of pages.splice(0)) await page.close();
  for (const service of started.splice(0)) await endService(service);
  for (const directory of directories.splice(0)) directory.remove();
});
afterAll(() => browser.close());

async function start(
  options: Omit<Parameters<typeof startService>[0], "stateDir"> & { stateDir?: string } = {},
): Promise<RunningService> {
  const directory = options.stateDir === undefined ? makeStateDir() : undefined;
  if (directory !== undefined) directories.push(directory);
  const service = await startService({ ...options, stateDir: options.stateDir ?? directory?.path ?? "" });
  started.push(service);
  return service;
}

async function open(service: RunningService, options?: Parameters<typeof openPage>[2]): Promise<OpenPage> {
  const page = await openPage(browser, service.url, options);
  pages.push(page);
  return page;
}

const isReady = (page: OpenPage): Promise<boolean> =>
  until("the page says ready", async () => (await page.text("mode-word")) === "ready");

/** Presses the button and tells the job's short name. */
async function makeVideo({ page, text }: OpenPage): Promise<string> {
  await page.getByRole("button", { name: "Make a video" }).click();
  return until(
    "the submission is acknowledged",
    async () => /Accepted as job (\w{8})\./.exec(await text("answer"))?.[1],
  );
}

const rendering = (page: OpenPage, name: string): Promise<boolean> =>
  until(
    "the job renders",
    async () =>
      (await page.text("job-name")).includes(name) && /rendering, step [3-9]/.test(await page.text("job-text")),
  );

describe("the page", () => {
  it("loads without an error, and says in one sentence what a submission made now would get", async () => {
    const page = await open(await start());
    await isReady(page);
    expect(await page.text("sentence")).toMatch(/^A video submitted now is rendered at once\./);
    await page.picture("ready");
    expect(page.problems).toEqual([]);
  });

  it("shows the steps of a render, and plays its video within 20 s of the button", async () => {
    const page = await open(await start());
    await isReady(page);
    const name = await makeVideo(page);
    const percents = new Set<number>();
    const steps = new Set<string>();
    const { widthPixels } = await until(
      "the video plays",
      async () => {
        percents.add(await page.percent());
        steps.add(await page.text("job-text"));
        if (steps.size === 4) await page.picture("rendering");
        const playback = await page.playback();
        return playback.seconds > 0 && playback.widthPixels > 0 ? playback : undefined;
      },
      20_000,
    );
    const { seconds } = await page.plays();
    expect(seconds).toBeGreaterThan(0);
    expect(widthPixels).toBe(854);
    expect([...steps].filter((step) => /^rendering, step \d+ of 20$/.test(step)).length).toBeGreaterThan(3);
    expect([...percents].filter((percent) => percent > 0 && percent < 100).length).toBeGreaterThan(3);
    expect(await page.text("clip")).toBe(`Simulated video. A red fox runs across fresh snow (job ${name})`);
    await until("the job is over", async () => (await page.text("job-text")) === "Nothing is being rendered.");
    expect(page.problems).toEqual([]);
  });

  it("labels what it shows while a killed worker comes back, and plays the same job's one real result", async () => {
    // Slow enough that the stand-in usually comes first; a machine without a processor to spare holds it back.
    const service = await start({ args: ["--sim-speed", "0.5"] });
    const page = await open(service);
    await isReady(page);
    const name = await makeVideo(page);
    await rendering(page, name);
    const pid = service.worker()?.pid ?? 0;
    await page.page.getByRole("button", { name: "Kill the worker" }).click();
    await until("the page says that the job waits", async () =>
      /interrupted|stand-in/.test(await page.text("job-text")),
    );
    expect(await page.text("job-name")).toBe(`Job ${name}`);
    expect(await page.text("sentence")).toMatch(/is being repaired\. A video submitted now is kept/);
    await page.picture("killed");
    const captionOf = new Map<string, string>();
    const result = await until("the real clip is shown", async () => {
      const { address, caption } = await page.shown();
      if (caption.includes(name)) captionOf.set(address, caption);
      const { videos } = (
        await service.json<{ videos: { artifact_url: string; is_mock: boolean }[] }>("/api/v1/outputs")
      ).body;
      return videos.find((video) => !video.is_mock && video.artifact_url === address);
    });
    for (const [address, caption] of captionOf)
      expect(caption).toMatch(
        address === result.artifact_url ? /^Simulated video\. / : /^Stand-in, not the real video, which follows\. /,
      );
    await page.plays();
    await isReady(page);
    await page.picture("repaired");

    const { body } = await service.json<{
      tasks: { id: string; attempts: number; status: string; is_mock: boolean }[];
    }>("/api/v1/queue");
    expect(body.tasks).toHaveLength(1);
    expect(body.tasks[0]).toMatchObject({ attempts: 0, status: "completed", is_mock: false });
    expect(body.tasks[0]?.id.slice(0, 8)).toBe(name);
    expect(isAlive(pid)).toBe(false);
    const ready = (await page.events()).filter((line) => line.includes(`Job ${name} is ready`));
    expect(ready).toHaveLength(1);
    expect(page.problems).toEqual([]);
  });

  it("tells the last ten events in sentences", async () => {
    const service = await start();
    const page = await open(service);
    await isReady(page);
    await rendering(page, await makeVideo(page));
    await page.page.getByRole("button", { name: "Kill the worker" }).click();
    const seen = new Set<string>();
    await until("it is repaired", async () => {
      for (const line of await page.events()) seen.add(line);
      return [...seen].some((line) => line.includes("Repaired"));
    });
    expect(await page.events()).toHaveLength(10);
    expect(seen.size).toBeGreaterThan(10);
    const isSentence = /^\d\d:\d\d:\d\d\s*[A-Z][^_{}[\]]*[.!?]$/;
    expect([...seen].filter((line) => !isSentence.test(line))).toEqual([]);
  });

  it("finds the service again after a restart, and goes on by itself", async () => {
    const first = await start();
    const page = await open(first);
    const numbers: (string | undefined)[] = [];
    page.page.on("request", (request) => {
      if (request.url().endsWith("/api/v1/events")) numbers.push(request.headers()["last-event-id"]);
    });
    await isReady(page);
    first.process.kill("SIGINT");
    await first.ended;
    await until("the page notices", async () => (await page.text("mode-word")) === "not connected");
    expect(await page.text("sentence")).toMatch(/connects again by itself/);
    await page.picture("not-connected");
    const second = await start({ stateDir: first.stateDir, args: ["--port", new URL(first.url).port] });
    expect(second.url).toBe(first.url);
    await isReady(page);
    const name = await makeVideo(page);
    await until("the clip of a job made afterwards", async () => (await page.text("clip")).includes(name));
    await page.plays();
    expect((await page.events()).filter((line) => line.includes(`Job ${name} was accepted`))).toHaveLength(1);
    expect(numbers.at(-1)).toMatch(/^\d+$/);
  });

  it("fits a telephone, light and dark", async () => {
    const service = await start();
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await open(service, { viewport: { width: 390, height: 844 }, colorScheme });
      await isReady(page);
      await makeVideo(page);
      await page.plays();
      await page.picture(`telephone-${colorScheme}`);
      expect(await page.page.evaluate("document.documentElement.scrollWidth")).toBe(390);
      for (const role of ["textbox", "button", "progressbar"] as const) {
        for (const control of await page.page.getByRole(role).all()) {
          const box = await control.boundingBox();
          expect(box?.x ?? -1).toBeGreaterThanOrEqual(0);
          expect((box?.x ?? 0) + (box?.width ?? 999)).toBeLessThanOrEqual(390);
        }
      }
      expect(page.problems).toEqual([]);
    }
  });

  it("can be used with the keyboard alone", async () => {
    const page = await open(await start());
    await isReady(page);
    const focused = (): Promise<string> => page.page.evaluate("document.activeElement.id");
    const order: string[] = [];
    for (let press = 0; press < 3; press += 1) {
      await page.page.keyboard.press("Tab");
      order.push(await focused());
      expect(await page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
    }
    expect(order).toEqual(["prompt", "make-one", "kill"]);
    await page.page.keyboard.press("Shift+Tab");
    await page.page.keyboard.press("Space");
    await until("it is accepted", async () => (await page.text("answer")).startsWith("Accepted"));
    expect(await focused()).toBe("make-one");
    await page.page.keyboard.press("Shift+Tab");
    await page.page.keyboard.press("ControlOrMeta+A");
    await page.page.keyboard.type("A heron on one leg");
    await page.page.keyboard.press("Enter");
    await until("the clip of what was typed", async () => (await page.text("clip")).includes("A heron on one leg"));
  });

  it("names every control and every part", async () => {
    const { page } = await open(await start());
    const named = [
      page.getByRole("heading", { name: "Understudy", level: 1 }),
      page.getByRole("form", { name: "Make a video" }),
      page.getByRole("textbox", { name: "What the video shows" }),
      page.getByRole("button", { name: "Make a video" }),
      page.getByRole("button", { name: "Kill the worker" }),
      page.getByRole("progressbar", { name: "Progress of the video" }),
      page.getByRole("region", { name: "What happened" }).getByRole("list"),
      page.getByLabel("The newest video"),
    ];
    await until("the page is filled", async () => (await named[4]?.count()) === 1);
    for (const part of named) expect(await part.count()).toBe(1);
    expect(await page.locator("html").getAttribute("lang")).toBe("en");
    expect(await page.title()).toBe("Understudy");
  });

  it("says what is wrong with a submission instead of a number", async () => {
    const page = await open(await start());
    await isReady(page);
    await page.page.getByRole("textbox").fill(" ");
    await page.page.getByRole("button", { name: "Make a video" }).click();
    await until("the refusal is shown", async () => /prompt/i.test(await page.text("answer")));
  });

  it("asks for a key where one is needed, keeps it for this tab, and streams, submits and plays with it", async () => {
    const service = await start({ env: { UNDERSTUDY_API_KEY: apiKey } });
    const page = await open(service);
    const form = page.page.getByRole("form", { name: "Key" });
    const give = async (key: string): Promise<void> => {
      await form.getByLabel(/key/).fill(key);
      await form.getByRole("button").click();
    };
    await form.waitFor();
    expect(await form.textContent()).toContain("This service asks for a key.");
    await page.picture("key");
    await give("a-wrong-key");
    await until(
      "the wrong key is refused",
      async () => (await form.count()) === 1 && /not valid/.test((await form.textContent()) ?? ""),
    );
    await give(apiKey);
    await isReady(page);
    expect(await form.count()).toBe(0);
    await makeVideo(page);
    await until("the clip comes as a blob", async () => (await page.shown()).address.startsWith("blob:"));
    await page.plays();
    await page.page.reload();
    await isReady(page);
    await page.plays();
    expect(await form.count()).toBe(0);
    expect(page.problems.filter((problem) => !problem.includes("401"))).toEqual([]);

    const other = await open(service);
    await other.page.getByRole("form", { name: "Key" }).waitFor();
    expect(await other.text("mode-word")).toBe("connecting");
  });

  it("opens a WebSocket with the key among its protocols, and none without", async () => {
    const page = await open(await start({ env: { UNDERSTUDY_API_KEY: apiKey } }));
    const first = (protocols: readonly string[]): Promise<string> =>
      page.page.evaluate(`new Promise((resolve) => {
        const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", ${JSON.stringify(protocols)});
        socket.onmessage = ({ data }) => resolve(socket.protocol + " " + JSON.parse(data).type);
        socket.onerror = () => resolve("refused");
      })`);
    expect(await first(["understudy", `understudy.key.${Buffer.from(apiKey).toString("base64url")}`])).toBe(
      "understudy connection_established",
    );
    expect(await first(["understudy", `understudy.key.${Buffer.from("another").toString("base64url")}`])).toBe(
      "refused",
    );
    expect(await first(["understudy"])).toBe("refused");
  });
});
