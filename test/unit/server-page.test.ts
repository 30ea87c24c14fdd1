import { afterEach, beforeEach, expect, it } from "vitest";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const text = async (path: string): Promise<string> => (await world.app.request(path)).text();

it("serves a page that needs nothing from elsewhere and holds no inline script or style", async () => {
  const html = await text("/");
  expect(html).toContain('<script type="module" src="/page.js">');
  expect(html).not.toMatch(/https?:\/\/|\son\w+=|style=|<style|<script>/);
  for (const script of ["/page.js", "/key.js", "/stream.js", "/words.js"])
    expect(await text(script)).not.toMatch(/https?:\/\/|innerHTML|\.style\b/);
  expect(await text("/page.css")).not.toMatch(/url\(|@import/);
});

it("stays small enough to be read at once", async () => {
  const lines = (await Promise.all(["/", "/page.js", "/page.css"].map(text))).join("").split("\n").length;
  expect(lines).toBeLessThanOrEqual(200);
  for (const shared of ["/key.js", "/stream.js", "/words.js"])
    expect((await text(shared)).split("\n").length).toBeLessThanOrEqual(80);
});

it("names only files that are served", async () => {
  const named = async (path: string, form: RegExp): Promise<string[]> =>
    [...(await text(path)).matchAll(form)].map(([, name = ""]) => name);
  const names = [...(await named("/", /(?:href|src)="([^"]+)"/g)), ...(await named("/page.js", /from "([^"]+)"/g))];
  expect(names).toEqual(expect.arrayContaining(["/page.js", "/page.css", "./key.js", "./stream.js", "./words.js"]));
  for (const path of names)
    expect((await world.app.request(new URL(path, "http://localhost/").pathname)).status).toBe(200);
});

it("finds every element that its script names", async () => {
  const html = await text("/");
  for (const [, id] of (await text("/page.js")).matchAll(/\bat\("([^"]+)"\)/g)) expect(html).toContain(`id="${id}"`);
});

it("is asked again only when it changed", async () => {
  const first = await world.app.request("/page.js");
  const again = await world.app.request("/page.js", { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
});
