import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkSource } from "../../scripts/check-time-and-chance.ts";
import { forms } from "../../scripts/rules/banned-forms.ts";

const fixtures = new URL("../fixtures/banned/", import.meta.url);
const names = readdirSync(fixtures).toSorted();
/** `date-now.2.ts` → `date-now`. */
const formOf = (name: string): string => name.split(".")[0] ?? "";
const formsIn = (text: string, path = "src/store/example.ts"): readonly string[] =>
  checkSource(path, text).map((finding) => finding.form);

describe("time and chance outside the clock", () => {
  it("every banned form has a fixture that uses it", () => {
    expect([...new Set(names.map(formOf))].toSorted()).toEqual(forms);
  });

  it.each(names)("%s is caught", (name) => {
    const found = formsIn(readFileSync(new URL(name, fixtures), "utf8"));
    expect([...new Set(found)]).toEqual([formOf(name)]);
  });

  it("the clock itself may read the time, and nobody else in core", () => {
    const text = "export const at = Date.now();\n";
    expect(formsIn(text, "src/core/clock.ts")).toEqual([]);
    expect(formsIn(text, "src/core/job.ts")).toEqual(["date-now"]);
  });

  it.each([
    ["a date of a given time", "export const at = (ms: number): Date => new Date(ms);"],
    ["an object with timers of its own", "export const clock = { setTimeout: (work: () => void): void => work() };"],
    ["a call of an injected clock", "export const at = (clock: { now(): number }): number => clock.now();"],
    ["prose about now", 'export const text = "it stopped just now()";'],
    ["hashing", 'import { createHash } from "node:crypto";\nexport const hash = createHash;'],
  ])("%s is left alone", (_what, text) => {
    expect(formsIn(`${text}\n`)).toEqual([]);
  });

  it("says where it was found", () => {
    expect(checkSource("test/unit/example.test.ts", "const a = 1;\nexport const at = a + Date.now();\n")).toEqual([
      { form: "date-now", line: 2, text: "Date.now" },
    ]);
  });
});

describe("the shape of files", () => {
  const lines = (count: number): string => "export {};\n".repeat(count);
  const functionOf = (bodyLines: number): string =>
    `export function long(): void {\n${"  void 0;\n".repeat(bodyLines)}}\n`;

  it("400 lines are the most", () => {
    expect(formsIn(lines(400))).toEqual([]);
    expect(formsIn(lines(401))).toEqual(["file-too-long"]);
  });

  it("a function of the source has 60 lines at most, one of a test may have more", () => {
    expect(formsIn(functionOf(58))).toEqual([]);
    expect(formsIn(functionOf(59))).toEqual(["function-too-long"]);
    expect(formsIn(functionOf(59), "test/unit/example.test.ts")).toEqual([]);
  });

  it("an error thrown in a catch names its cause, wherever its options stand", () => {
    const caught = (error: string): string => `try {\n  work();\n} catch (thrown) {\n  throw new ${error};\n}\n`;
    expect(formsIn(caught('StoreError("STORE_CORRUPT", "The file is damaged.")'))).toEqual(["forgotten-cause"]);
    expect(formsIn(caught('StoreError("STORE_CORRUPT", "The file is damaged.", { cause: thrown })'))).toEqual([]);
    expect(formsIn(caught('Error("The file is damaged.", { cause: thrown })'))).toEqual([]);
  });

  it("unfinished work is refused", () => {
    const mark = ["TO", "DO"].join("");
    expect(formsIn(`// ${mark} later\nexport {};\n`)).toEqual(["unfinished"]);
  });

  it.each(["skip", "only", "todo", "skipIf", "runIf", "fails"])(
    "a test that is switched off by %s is refused",
    (word) => {
      expect(formsIn(`it.${word}("works");\n`, "test/unit/example.test.ts")).toEqual(["switched-test"]);
      expect(
        formsIn(
          `describe.each([1]).${word}("works");\ntest.concurrent.${word}("works");\n`,
          "test/unit/example.test.ts",
        ),
      ).toContain("switched-test");
    },
  );
});
