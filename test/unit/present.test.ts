import { describe, expect, expectTypeOf, it } from "vitest";
import { ifAny, ifKnown, present, withoutNulls } from "../../src/core/present.ts";

const maybe = (text: string | null | undefined): string | null | undefined => text;
const perhaps = (text?: string): string | undefined => text;

describe("fields without a value", () => {
  it("are left out where they are undefined, and the others keep their order", () => {
    expect(Object.entries(present({ b: 1, lost: undefined, a: null, c: false, d: "" }))).toEqual([
      ["b", 1],
      ["a", null],
      ["c", false],
      ["d", ""],
    ]);
  });

  it("are left out where they are null too, when that is asked for", () => {
    expect(withoutNulls({ a: null, b: undefined, c: 0, d: "" })).toEqual({ c: 0, d: "" });
  });

  it("are optional in the type, exactly, and the others are not", () => {
    expectTypeOf(present({ id: 1, name: perhaps() })).toExtend<{ id: number; name?: string }>();
    expectTypeOf(present({ name: perhaps() })).not.toExtend<{ name: string }>();
    expectTypeOf(withoutNulls({ name: maybe("x") })).toExtend<{ name?: string }>();
  });

  it("do not hide a null where only undefined is left out", () => {
    expectTypeOf(present({ name: maybe("x") })).not.toExtend<{ name?: string }>();
    expectTypeOf(present({ name: maybe("x") })).toExtend<{ name?: string | null }>();
  });

  it("do not hide a value of the wrong type", () => {
    expectTypeOf(present({ count: perhaps("1") })).not.toExtend<{ count?: number }>();
  });
});

it("makes something of a value only where there is one", () => {
  expect([ifKnown(0, String), ifKnown("", Boolean), ifKnown<number, string>(null, String)]).toEqual([
    "0",
    false,
    undefined,
  ]);
  expect(ifKnown<number, string>(undefined, String)).toBeUndefined();
});

it("knows a list with something in it", () => {
  expect([ifAny([1]), ifAny([]), ifAny(undefined)]).toEqual([[1], undefined, undefined]);
});
