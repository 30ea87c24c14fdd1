/** Limits of length, unfinished work, switched-off tests, and errors that forget their cause. */
import ts from "typescript";
import type { Finding } from "./banned-forms.ts";

const longestFileLines = 400;
const longestFunctionLines = 60;

/** The words are spelled apart, so that this file passes its own rule. */
const unfinished = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
const switches = ["skip", "only", "todo", "skipIf", "runIf", "fails"];
const testWords = ["it", "test", "describe", "suite"];

function isFunction(node: ts.Node): boolean {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isConstructorDeclaration(node) ||
    ts.isAccessor(node)
  );
}

/** `it`, `it.each`, `describe.concurrent` … */
function rootName(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  return ts.isPropertyAccessExpression(node) ? rootName(node.expression) : "";
}

const isNamedCause = (property: ts.ObjectLiteralElementLike): boolean =>
  ts.isSpreadAssignment(property) || property.name?.getText() === "cause";

const givesCause = (argument: ts.Expression): boolean =>
  ts.isObjectLiteralExpression(argument) && argument.properties.some(isNamedCause);

/** New errors thrown in a `catch` that forget what was caught. */
function findForgottenCauses(clause: ts.CatchClause): readonly ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (isFunction(node)) return;
    if (
      ts.isThrowStatement(node) &&
      ts.isNewExpression(node.expression) &&
      !(node.expression.arguments ?? []).some(givesCause)
    )
      found.push(node);
    if (!ts.isCatchClause(node)) ts.forEachChild(node, visit);
  };
  visit(clause.block);
  return found;
}

export interface ShapeRules {
  /** Functions of src are limited; tests may have long tables and callbacks. */
  readonly isFunctionLengthLimited: boolean;
}

export function findShapeProblems(source: ts.SourceFile, rules: ShapeRules): readonly Finding[] {
  const found: Finding[] = [];
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const lines = source.text.split("\n");
  const lineCount = source.text.endsWith("\n") ? lines.length - 1 : lines.length;
  if (lineCount > longestFileLines)
    found.push({ form: "file-too-long", line: lineCount, text: `${lineCount} lines, ${longestFileLines} at most` });
  for (const [index, line] of lines.entries())
    if (unfinished.test(line)) found.push({ form: "unfinished", line: index + 1, text: line.trim() });
  const visit = (node: ts.Node): void => {
    const line = lineOf(node.getStart(source));
    const length = lineOf(node.getEnd()) - line + 1;
    if (rules.isFunctionLengthLimited && isFunction(node) && length > longestFunctionLines) {
      found.push({ form: "function-too-long", line, text: `${length} lines, ${longestFunctionLines} at most` });
    }
    if (
      ts.isPropertyAccessExpression(node) &&
      switches.includes(node.name.text) &&
      testWords.includes(rootName(node.expression))
    ) {
      found.push({ form: "switched-test", line, text: node.getText(source) });
    }
    const forgotten = ts.isCatchClause(node) ? findForgottenCauses(node) : [];
    for (const thrown of forgotten)
      found.push({
        form: "forgotten-cause",
        line: lineOf(thrown.getStart(source)),
        text: thrown.getText(source).split("\n")[0] ?? "",
      });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
