import { expect, it } from "vitest";
import { expandForm } from "../../src/server/expand-form.ts";

it("turns names with brackets into objects and lists", () => {
  const expanded = expandForm([
    ["prompt", "a fox"],
    ["understudy[fallback]", "wait"],
    ["understudy[floor][width]", "854"],
    ["understudy[allow][]", "frames"],
    ["understudy[allow][]", "resolution"],
  ]);
  expect(expanded).toEqual({
    kind: "fields",
    fields: {
      prompt: "a fox",
      understudy: { fallback: "wait", floor: { width: "854" }, allow: ["frames", "resolution"] },
    },
  });
});

it("makes a list of a name that comes twice, and of a single one with empty brackets", () => {
  const expanded = expandForm([
    ["tag", "one"],
    ["tag", "two"],
    ["only[]", "one"],
  ]);
  expect(expanded).toEqual({ kind: "fields", fields: { tag: ["one", "two"], only: ["one"] } });
});

it.each([
  "__proto__",
  "__proto__[polluted]",
  "understudy[__proto__][polluted]",
  "understudy[constructor][prototype][polluted]",
  "a[prototype]",
  "a[b",
  "a]b",
  "[a]",
  "",
  "a[][b]",
  "a[b][c][d][e]",
  "x".repeat(65),
])("refuses the name %s, and nothing is reached by it", (name) => {
  expect(expandForm([[name, "yes"]])).toMatchObject({ kind: "refused", param: name.slice(0, 64) });
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

it.each([
  [
    ["a", "1"],
    ["a[b]", "2"],
  ],
  [
    ["a[b]", "1"],
    ["a", "2"],
  ],
  [
    ["a[]", "1"],
    ["a[b]", "2"],
  ],
] as const)("refuses a name that is a text in one place and an object in another", (first, second) => {
  expect(expandForm([first, second]).kind).toBe("refused");
});

it("refuses a form of more fields than a request can have", () => {
  const many = Array.from({ length: 201 }, (_, index) => [`field${index}`, "x"] as const);
  expect(expandForm(many).kind).toBe("refused");
  expect(expandForm(many.slice(0, 200)).kind).toBe("fields");
});
