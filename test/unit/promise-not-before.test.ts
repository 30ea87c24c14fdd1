import { expect, it } from "vitest";
import { notBefore } from "../../src/recovery/promise.ts";
import { atOnce } from "./server-facts.ts";

it.each([
  ["later than its turn: both wait for it", 5_000, { turnAtMs: 5_000, expectedAtMs: 8_000 }],
  ["sooner than its turn: the turn decides", 500, { turnAtMs: 1_000, expectedAtMs: 4_000 }],
])("a job that is due %s", (_, dueAtMs, then) => {
  expect(notBefore({ ...atOnce, turnAtMs: 1_000, expectedAtMs: 4_000 }, dueAtMs)).toMatchObject(then);
});

it("nothing is said of a time that nobody knows", () => {
  expect(notBefore(atOnce, 5_000)).toBe(atOnce);
  expect(notBefore({ ...atOnce, turnAtMs: 1_000 }, 5_000)).toMatchObject({ turnAtMs: 5_000, expectedAtMs: null });
});
