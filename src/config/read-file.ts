/** The text of a configuration file, YAML or JSON (which is YAML too), as a tree that remembers its lines. */
import { isNode, LineCounter, parseDocument } from "yaml";
import { isTree, type Tree } from "./layers.ts";

export type FileAnswer =
  | {
      readonly kind: "read";
      readonly tree: Tree;
      /** The line of a setting, or of what is nearest around it; null where the file does not have it. */
      readonly lineOf: (path: readonly PropertyKey[]) => number | null;
    }
  | { readonly kind: "refused"; readonly reason: string };

/** An empty file sets nothing. Tags are refused: what they would make is no plain value. */
export function readFileText(text: string): FileAnswer {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line } = lines.linePos(problem.pos[0]);
    return {
      kind: "refused",
      reason: `is neither YAML nor JSON (line ${line}: ${problem.message.replace(/\.$/, "")})`,
    };
  }
  const tree: unknown = document.toJS() ?? {};
  if (!isTree(tree)) return { kind: "refused", reason: "must hold one group of settings" };
  return {
    kind: "read",
    tree,
    lineOf: (path) => {
      for (let length = path.length; length > 0; length -= 1) {
        const node: unknown = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
      }
      return null;
    },
  };
}
