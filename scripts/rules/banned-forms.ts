/**
 * Time and chance outside core/clock.ts and core/chance.ts, found in the syntax tree. What escapes the clock cannot be
 * simulated, so every form of it is an error; each has a fixture in test/fixtures/banned.
 */
import ts from "typescript";

export interface Finding {
  readonly form: string;
  /** Lines count from 1. */
  readonly line: number;
  readonly text: string;
}

/** Object → members that read a clock, arm a timer or draw a number. `*` = all of them. */
const bannedMembers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Date: { now: "date-now" },
  performance: { "*": "performance" },
  process: { hrtime: "process-hrtime", uptime: "process-uptime", nextTick: "next-tick" },
  Math: { random: "math-random" },
  crypto: {
    randomUUID: "random-uuid",
    getRandomValues: "random-values",
    randomBytes: "random-bytes",
    randomInt: "random-bytes",
  },
  AbortSignal: { timeout: "abort-signal-timeout" },
  stream: { sleep: "stream-sleep" },
};

const bannedGlobals: Readonly<Record<string, string>> = {
  setTimeout: "set-timeout",
  setInterval: "set-interval",
  setImmediate: "set-immediate",
};

/** Module → imported names. `*` = the whole module. */
const bannedImports: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  timers: { "*": "timers-import" },
  "timers/promises": { "*": "timers-import" },
  perf_hooks: { "*": "perf-hooks-import" },
  "hono/timeout": { "*": "hono-timeout" },
  crypto: {
    randomUUID: "crypto-import",
    randomBytes: "crypto-import",
    randomInt: "crypto-import",
    getRandomValues: "crypto-import",
    webcrypto: "crypto-import",
  },
  process: { hrtime: "process-import", nextTick: "process-import", uptime: "process-import" },
  xstate: { waitFor: "xstate-wait-for" },
};

const bannedSql =
  /\bcurrent_(?:timestamp|time|date)\b|\b(?:date|time|datetime|julianday|unixepoch|strftime)\s*\([^)]*'now'|\b(?:unixepoch|julianday)\s*\(\s*\)|\b(?:random|randomblob)\s*\(\s*\d*\s*\)/i;
const isSql = /\b(?:select|insert|update|delete|create|default|where|values)\b/i;

export const forms: readonly string[] = [
  ...new Set([
    ...Object.values(bannedMembers).flatMap(Object.values),
    ...Object.values(bannedGlobals),
    ...Object.values(bannedImports).flatMap(Object.values),
    "new-date",
    "sql-time",
  ]),
].toSorted();

const own = (table: Readonly<Record<string, string>> | undefined, key: string): string | undefined =>
  table === undefined ? undefined : (table["*"] ?? (Object.hasOwn(table, key) ? table[key] : undefined));

const tableOf = <Value>(tables: Readonly<Record<string, Value>>, key: string): Value | undefined =>
  Object.hasOwn(tables, key) ? tables[key] : undefined;

/** `globalThis.Date` → `Date`. */
function lastName(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isPropertyAccessExpression(node)) return node.name.text;
  return ts.isParenthesizedExpression(node) ? lastName(node.expression) : "";
}

function memberForm(node: ts.PropertyAccessExpression | ts.ElementAccessExpression): string | undefined {
  const name = ts.isPropertyAccessExpression(node)
    ? node.name.text
    : ts.isStringLiteralLike(node.argumentExpression)
      ? node.argumentExpression.text
      : "";
  const object = lastName(node.expression);
  if (object === "globalThis" || object === "global") return own(bannedGlobals, name);
  return own(tableOf(bannedMembers, object), name);
}

/** `const { now } = Date`. */
function destructuredForm(node: ts.VariableDeclaration): string | undefined {
  if (!ts.isObjectBindingPattern(node.name) || node.initializer === undefined) return undefined;
  const table = tableOf(bannedMembers, lastName(node.initializer));
  const names = node.name.elements.map((element) => (element.propertyName ?? element.name).getText());
  return names.map((name) => own(table, name)).find((form) => form !== undefined);
}

function moduleOf(text: string): Readonly<Record<string, string>> | undefined {
  return tableOf(bannedImports, text.replace(/^node:/, ""));
}

function importForm(node: ts.ImportDeclaration | ts.ExportDeclaration): string | undefined {
  if (node.moduleSpecifier === undefined || !ts.isStringLiteral(node.moduleSpecifier)) return undefined;
  const table = moduleOf(node.moduleSpecifier.text);
  if (table?.["*"] !== undefined) return table["*"];
  const bindings = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause;
  const wholeName = ts.isImportDeclaration(node)
    ? (node.importClause?.name ??
      (bindings !== undefined && ts.isNamespaceImport(bindings) ? bindings.name : undefined))
    : undefined;
  // Under its usual name the members are recognised; under another they would escape.
  if (
    wholeName !== undefined &&
    table !== undefined &&
    wholeName.text !== node.moduleSpecifier.text.replace(/^node:/, "")
  )
    return Object.values(table)[0];
  if (bindings === undefined || !(ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) return undefined;
  return bindings.elements
    .map((element) => own(table, (element.propertyName ?? element.name).text))
    .find((form) => form !== undefined);
}

/** True where the identifier is the name of something else: a key, a member, a parameter. */
function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  return "name" in parent && parent.name === node;
}

function callForm(node: ts.CallExpression): string | undefined {
  if (ts.isIdentifier(node.expression) && node.expression.text === "Date") return "new-date";
  const [first] = node.arguments;
  return node.expression.kind === ts.SyntaxKind.ImportKeyword && first !== undefined && ts.isStringLiteralLike(first)
    ? moduleOf(first.text)?.["*"]
    : undefined;
}

function formOf(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) return memberForm(node);
  if (ts.isVariableDeclaration(node)) return destructuredForm(node);
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return importForm(node);
  if (ts.isNewExpression(node))
    return lastName(node.expression) === "Date" && (node.arguments?.length ?? 0) === 0 ? "new-date" : undefined;
  if (ts.isCallExpression(node)) return callForm(node);
  if (ts.isIdentifier(node)) return isName(node) ? undefined : own(bannedGlobals, node.text);
  if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node)) {
    return isSql.test(node.text) && bannedSql.test(node.text) ? "sql-time" : undefined;
  }
  return undefined;
}

export const parse = (path: string, text: string): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);

export function findBannedForms(source: ts.SourceFile): readonly Finding[] {
  const found: Finding[] = [];
  const visit = (node: ts.Node): void => {
    const form = formOf(node);
    if (form !== undefined) {
      const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      found.push({ form, line, text: node.getText(source).split("\n")[0] ?? "" });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
