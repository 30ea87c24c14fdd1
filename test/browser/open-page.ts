/**
 * Opens the service's pages in a real Chromium and reads them as a person would. Everything that the browser complains
 * of is kept, because a page may look right and still be broken.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findChromium } from "../../scripts/require-chromium.ts";
import { until } from "../harness/running-service.ts";

/** Looked at by people after a change of the page; git ignores it. */
const pictures = new URL("../../test-output/browser/", import.meta.url).pathname;

/** What is read of it; the project has no types of a browser. */
interface VideoElement {
  readonly currentTime: number;
  readonly videoWidth: number;
}

/** Throws when there is no browser: a test that cannot run fails. */
export function launchBrowser(): Promise<Browser> {
  const answer = findChromium(process.env);
  if (answer.kind === "missing") throw new Error(answer.message);
  return chromium.launch({ executablePath: answer.path, args: ["--disable-dev-shm-usage"] });
}

/** The page as a person sees it, read by what it says, and what a browser finds wrong with it. */
export interface OpenPage {
  readonly page: Page;
  /** Console errors, thrown errors, refused resources. */
  readonly problems: readonly string[];
  text(id: string): Promise<string>;
  /** Of the newest video: seconds played, and its width in pixels; 0 while there is none. */
  playback(): Promise<{ seconds: number; widthPixels: number }>;
  /** Waits until the video runs: its time goes on between two looks. */
  plays(limitMs?: number): Promise<{ seconds: number; widthPixels: number }>;
  /** The clip and what is said of it, at one instant. */
  shown(): Promise<{ address: string; caption: string }>;
  percent(): Promise<number>;
  events(): Promise<readonly string[]>;
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 800 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => console.error('refused by the policy: ' + event.violatedDirective))",
  );
  await page.goto(url);
  const playback = (): Promise<{ seconds: number; widthPixels: number }> =>
    page
      .locator("video")
      .evaluate((video: VideoElement) => ({ seconds: video.currentTime, widthPixels: video.videoWidth }));
  return {
    page,
    problems,
    text: async (id) => (await page.locator(`#${id}`).textContent()) ?? "",
    playback,
    plays: async (limitMs = 20_000) => {
      let before = await playback();
      return until(
        "the video plays",
        async () => {
          const now = await playback();
          const hasGoneOn = now.seconds > before.seconds && before.seconds > 0 && now.widthPixels > 0;
          before = now;
          return hasGoneOn ? now : undefined;
        },
        limitMs,
      );
    },
    shown: () => page.evaluate("({ address: video.getAttribute('src') ?? '', caption: clip.textContent })"),
    percent: () => page.locator("progress").evaluate((bar: { readonly value: number }) => bar.value),
    events: () => page.locator("#events li").allInnerTexts(),
    picture: async (name) => {
      mkdirSync(pictures, { recursive: true });
      await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
    },
    close: () => context.close(),
  };
}
