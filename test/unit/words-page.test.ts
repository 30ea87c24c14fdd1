import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { isTypeScript, listFiles } from "../../scripts/rules/source-files.ts";

const root = new URL("../..", import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[a-z][a-z0-9]*/g) ?? [];

const paths = listFiles(root, ["src"], isTypeScript);
const declaration = /^export (?:declare |abstract |async )*(?:function\*?|const|class|interface|type) (\w+)/gm;
const namesOf = (source: string): string[] => [...source.matchAll(declaration)].map(([, name = ""]) => name);

/** The words of what files export, and of what they are called. */
const spaced = (name: string): string =>
  name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2");
const wordsInNames = (names: readonly string[]): readonly string[] => [
  ...new Set(names.flatMap((name) => wordsOf(spaced(name)))),
];
const used = wordsInNames(paths.flatMap((path) => [basename(path).replace(/\..*$/, ""), ...namesOf(read(path))]));

const page = read("docs/words.md");
const explained = new Set(
  page.split("\n").flatMap((line) => (line.startsWith("| ") ? wordsOf(line.split("|")[1] ?? "") : [])),
);
const plain = new Set(wordsOf(read("test/fixtures/plain-words.txt")));
const coined = (words: readonly string[]): string[] =>
  words.filter((word) => !plain.has(word) && !explained.has(word)).toSorted();

it("the page of words explains every word of a name that is not plain English of the field", () => {
  expect(coined(used), "explain it in docs/words.md, take the field's term, or list it in plain-words.txt").toEqual([]);
});

it("a coined word in a name is found", () => {
  expect(coined(wordsInNames(["createFlurbDesk"]))).toEqual(["desk", "flurb"]);
});

it("no word is called plain that no name has, or that the page explains", () => {
  const inUse = new Set(used);
  expect([...plain].filter((word) => !inUse.has(word) || explained.has(word))).toEqual([]);
});
