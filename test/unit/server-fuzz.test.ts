import { afterEach, beforeEach, expect, it } from "vitest";
import { problemSchema } from "../../src/contract/problem.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { describeApi } from "../../src/server/openapi-document.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

let world: ServerWorld;
const start = (): ServerWorld => {
  world = createServerWorld(createVirtualClock());
  return world;
};
beforeEach(start);
afterEach(() => world.close());

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly queries: readonly string[];
}

function operationsOf({ app, ports }: ServerWorld): Operation[] {
  const { paths = {} } = describeApi(app, "0", ports.catalog);
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(
      item as Record<string, { readonly parameters?: readonly { readonly in: string; readonly name: string }[] }>,
    ).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      queries: (operation.parameters ?? []).filter((parameter) => parameter.in === "query").map(({ name }) => name),
    })),
  );
}

const hostileTexts = [
  "x",
  "..%2f..%2fetc%2fpasswd",
  "%2e%2e%2f%2e%2e%2f",
  "%00",
  "a%00b",
  "%ff%fe",
  "%ed%a0%80",
  "%F0%9F%A6%8A",
  "NaN",
  "Infinity",
  "-1",
  "1e308",
  "99999999999999999999",
  "0x10",
  "'%20or%201=1;--",
  "__proto__",
  "constructor",
  "a".repeat(3_000),
];

const json = { "content-type": "application/json" };
const deep = `${'{"a":'.repeat(3_000)}1${"}".repeat(3_000)}`;
const fieldsOf = (value: string): string => {
  const names = [
    "model_type",
    "prompt",
    "steps",
    "resolution",
    "image",
    "failure_type",
    "worker_id",
    "release_gpu",
    "seed",
    "labels",
    "model",
  ];
  return `{${names.map((name) => `"${name}":${value}`).join(",")}}`;
};
const hostileBodies: readonly (readonly [string, Record<string, string>, string | Uint8Array<ArrayBuffer>])[] = [
  ["nothing", {}, ""],
  ["nothing that says it is JSON", json, ""],
  ["white space", json, " \n"],
  ["half an object", json, '{"prompt":'],
  ["a number", json, "7"],
  ["null", json, "null"],
  ["a list", json, "[]"],
  ["a text", json, '"text"'],
  ["NaN", json, '{"steps":NaN}'],
  ["a number beyond all", json, fieldsOf("1e999")],
  ["a very large number", json, fieldsOf("1e308")],
  ["a negative number", json, fieldsOf("-1")],
  ["nulls", json, fieldsOf("null")],
  ["lists", json, fieldsOf('[[["x"]]]')],
  ["objects", json, fieldsOf("{}")],
  ["a lone surrogate and NUL", json, fieldsOf('"\\ud83d\\u0000"')],
  ["characters of all sorts", json, fieldsOf('"狐 🦊 \\u202e"')],
  ["a prototype", json, '{"__proto__":{"steps":1},"constructor":{"prototype":{}}}'],
  ["something deep", json, deep],
  ["something wide", json, `[${"0,".repeat(100_000)}0]`],
  ["UTF-16", { "content-type": "application/json; charset=utf-16" }, new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0])],
  ["bytes that are no text", json, new Uint8Array([0xc3, 0x28, 0xa0, 0xa1, 0xff])],
  ["an unknown encoding", { ...json, "content-encoding": "br" }, '{"prompt":"a"}'],
  ["plain text", { "content-type": "text/plain" }, "prompt=a"],
  ["a content type that is none", { "content-type": ";;;=" }, "{}"],
  ["XML", { "content-type": "application/xml" }, "<a/>"],
  ["a form without its boundary", { "content-type": "multipart/form-data" }, "--x\r\nbroken"],
  [
    "a form that breaks off",
    { "content-type": "multipart/form-data; boundary=x" },
    '--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na',
  ],
  [
    "an encoded form",
    { "content-type": "application/x-www-form-urlencoded" },
    "prompt=%ff%00&steps=1e308&model_type=%F0%9F",
  ],
  ["more than is told", { ...json, "content-length": "13000000" }, "{}"],
];

/** Streams do not end by themselves. */
async function judge(answer: Response, what: string): Promise<string | null> {
  const type = answer.headers.get("content-type") ?? "";
  if (type.startsWith("text/event-stream")) {
    await answer.body?.cancel();
    return null;
  }
  const text = await answer.text();
  if (answer.headers.get("x-request-id") === null) return `${what}: no request id`;
  if (/\bat .*\.(?:ts|js):\d+/.test(text)) return `${what}: a stack`;
  if (answer.status < 400 || answer.status === 416) return null;
  const problem = problemSchema.safeParse(text === "" ? {} : JSON.parse(text));
  if (!problem.success) return `${what}: ${answer.status} is no problem: ${text.slice(0, 200)}`;
  const isExpected = answer.status < 500 || answer.status === 501 || answer.status === 503;
  return isExpected && problem.data.status === answer.status ? null : `${what}: ${answer.status} ${problem.data.code}`;
}

const fill = (path: string, value: string): string => path.replaceAll(/\{\w+\}/g, value);

it("no address and no query provokes a defect on any route", { timeout: 120_000 }, async () => {
  const operations = operationsOf(world);
  expect(operations.length).toBeGreaterThan(50);
  const wrong: string[] = [];
  for (const { method, path, queries } of operations)
    for (const text of hostileTexts) {
      const query =
        queries.length === 0 ? `?${text}=${text}` : `?${queries.map((name) => `${name}=${text}`).join("&")}`;
      const address = `${fill(path, text)}${query}`;
      const found = await judge(await world.app.request(address, { method }), `${method} ${address.slice(0, 120)}`);
      if (found !== null) wrong.push(found);
    }
  expect(wrong).toEqual([]);
  expect(world.defects).toEqual([]);
});

it("no body provokes a defect on any route", { timeout: 120_000 }, async () => {
  const wrong: string[] = [];
  const writing = operationsOf(world).filter(({ method }) => method !== "GET");
  expect(writing.length).toBeGreaterThan(15);
  for (const { method, path } of writing)
    for (const [what, headers, body] of hostileBodies) {
      const answer = await world.app.request(fill(path, "unknown"), {
        method,
        headers,
        ...(body.length === 0 ? {} : { body }),
      });
      const found = await judge(answer, `${method} ${path} with ${what}`);
      if (found !== null) wrong.push(found);
    }
  expect(wrong).toEqual([]);
  expect(world.defects).toEqual([]);
});

it("HEAD answers what GET does, without its body, and a wrong method is told which are right", {
  timeout: 120_000,
}, async () => {
  const operations = operationsOf(world);
  for (const { path } of operations.filter(({ method }) => method === "GET")) {
    const address = fill(path, "unknown");
    const [get, head] = [await world.app.request(address), await world.app.request(address, { method: "HEAD" })];
    await get.body?.cancel();
    expect([path, head.status, await head.text()]).toEqual([path, get.status, ""]);
    const wrongMethod = await world.app.request(address, { method: "PATCH" });
    expect([path, wrongMethod.status]).toEqual([path, 405]);
    expect(wrongMethod.headers.get("allow")).toContain("GET");
  }
});
