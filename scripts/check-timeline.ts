/**
 * Every kind of row has somebody who writes it, and no type is got around: `node scripts/check-timeline.ts`. That every kind can be
 * read, and has words where people read it, is a matter of types and of test/unit/read-row.test.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { eventKinds } from "../src/core/events.ts";
import { type Finding, parse } from "./rules/banned-forms.ts";
import { isTypeScript, listFiles } from "./rules/source-files.ts";

interface Source {
  readonly path: string;
  readonly text: string;
}

/** So many casts are allowed in all of src, each with its reason beside it; the machines have none. */
const allowedCastCount = 6;

const literalsIn = (node: ts.Node): readonly string[] =>
  ts.isStringLiteralLike(node) ? [node.text] : node.getChildren().flatMap(literalsIn);

/** `kind: "worker.killed"`, `const kind = isLate ? "…" : "…"`; machines tell facts and reports by their `type`. */
function writtenIn({ path, text }: Source): readonly string[] {
  const names = path.startsWith("src/machines/") ? ["kind", "type"] : ["kind"];
  const written: string[] = [];
  const visit = (node: ts.Node): void => {
    const isNamed = ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node);
    if (isNamed && node.initializer !== undefined && names.includes(node.name.getText()))
      written.push(...literalsIn(node.initializer));
    ts.forEachChild(node, visit);
  };
  visit(parse(path, text));
  return written;
}

export function findUnwrittenKinds(kinds: readonly string[], sources: readonly Source[]): readonly string[] {
  const written = new Set(sources.flatMap(writtenIn));
  return kinds.filter((kind) => !written.has(kind));
}

const looseKinds: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AnyKeyword,
  ts.SyntaxKind.NeverKeyword,
  ts.SyntaxKind.UnknownKeyword,
]);

const hasCommentBefore = (text: string, line: number): boolean =>
  /^\s*(?:\/\/|\*\/|\/\*\*)/.test(text.split("\n")[line - 2] ?? "");

/** `as any`, `as never`, `as unknown`, and `any` as a type; `form` says where a reason is missing. */
export function findLooseCasts({ path, text }: Source): readonly Finding[] {
  const source = parse(path, text);
  const found: Finding[] = [];
  const visit = (node: ts.Node): void => {
    const isCast = ts.isAsExpression(node) && looseKinds.has(node.type.kind);
    const isAny =
      node.kind === ts.SyntaxKind.AnyKeyword && !(ts.isAsExpression(node.parent) && node.parent.type === node);
    if (isCast || isAny) {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const form = hasCommentBefore(text, line) ? "loose-cast" : "loose-cast-without-reason";
      found.push({ line, form, text: node.getText().slice(0, 80) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What of the casts is not allowed. */
export function judgeCasts(sources: readonly Source[]): readonly string[] {
  const casts = sources.flatMap((source) => findLooseCasts(source).map((cast) => ({ path: source.path, ...cast })));
  const told = ({ path, line, form, text }: (typeof casts)[number]): string => `${path}:${line} ${form}: ${text}`;
  const wrong = casts.filter(({ path, form }) => form !== "loose-cast" || path.startsWith("src/machines/"));
  return [...wrong.map(told), ...(casts.length > allowedCastCount ? casts.map(told) : [])];
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url).pathname;
  const paths = listFiles(root, ["src"], isTypeScript);
  const sources = paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
  const writers = sources.filter(({ path }) => !path.startsWith("src/core/events"));
  const unwritten = findUnwrittenKinds(eventKinds, writers);
  const casts = judgeCasts(sources);
  for (const kind of unwritten) console.error(`nobody writes ${kind}`);
  for (const cast of casts) console.error(cast);
  console.log(
    `timeline: ${eventKinds.length} kinds, ${unwritten.length} without a writer; ${casts.length} casts too many`,
  );
  if (unwritten.length + casts.length > 0 || paths.length === 0) process.exitCode = 1;
}
