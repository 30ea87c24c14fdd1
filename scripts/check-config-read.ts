/** Every setting must be read by the program: a setting that nobody reads is a lie. `node scripts/check-config-read.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { parseConfig } from "../src/config/parse-config.ts";
import { parse } from "./rules/banned-forms.ts";
import { isTypeScript, listFiles } from "./rules/source-files.ts";

/** Names of all fields of the accepted configuration, groups included; entries of lists count as their fields. */
export function listFieldPaths(value: unknown, prefix = ""): readonly string[] {
  if (Array.isArray(value)) return listFieldPaths(value[0], `${prefix}[].`.replace(".[]", "[]"));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    `${prefix}${key}`,
    ...listFieldPaths(inner, `${prefix}${key}.`),
  ]);
}

/** Names that are read in this text: `x.name`, `x["name"]`, `const { name } = x`. */
export function namesReadIn(path: string, text: string): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node)) names.add(node.name.text);
    else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression))
      names.add(node.argumentExpression.text);
    else if (ts.isBindingElement(node)) names.add((node.propertyName ?? node.name).getText());
    ts.forEachChild(node, visit);
  };
  visit(parse(path, text));
  return names;
}

export function findUnreadFields(
  fieldPaths: readonly string[],
  sources: readonly { readonly path: string; readonly text: string }[],
): readonly string[] {
  const read = new Set(sources.flatMap(({ path, text }) => [...namesReadIn(path, text)]));
  return fieldPaths.filter((fieldPath) => !read.has(fieldPath.split(".").at(-1) ?? ""));
}

if (import.meta.main) {
  const root = new URL("..", import.meta.url).pathname;
  const answer = parseConfig({ environment: { HOME: "/home/somebody" } });
  if (answer.kind === "refused") throw new Error(answer.message);
  const paths = listFiles(root, ["src"], (path) => isTypeScript(path) && !path.startsWith("src/config/"));
  const fieldPaths = listFieldPaths(answer.config);
  const unread = findUnreadFields(
    fieldPaths,
    paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") })),
  );
  for (const fieldPath of unread) console.error(`read nowhere: ${fieldPath}`);
  console.log(`settings: ${fieldPaths.length} fields, ${unread.length} read nowhere`);
  if (unread.length > 0 || fieldPaths.length === 0) process.exitCode = 1;
}
