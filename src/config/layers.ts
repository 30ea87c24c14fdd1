/** Nested settings as text layers hold them, before the schema has looked at them. */
export interface Tree {
  readonly [key: string]: unknown;
}

export interface Layer {
  /** What sentences call it: `--port`, `UNDERSTUDY_PORT`, `the file understudy.json`. */
  readonly name: string;
  readonly tree: Tree;
  /** The line of a setting; only files have lines. */
  readonly lineOf?: (path: readonly PropertyKey[]) => number | null;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `("standIn.after", "1s")` → `{ standIn: { after: "1s" } }`. */
export function treeOf(path: string, value: unknown): Tree {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;
}

/** What every object has is no setting: as a key of its own it would be overlooked, as an assignment it would do worse. */
export const forbiddenKey = "__proto__";

function merge(below: Tree, above: Tree): Tree {
  const merged = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const before = merged.get(key);
    merged.set(key, isTree(before) && isTree(value) ? merge(before, value) : value);
  }
  return Object.fromEntries(merged);
}

/** Later layers win; groups are merged, lists are replaced. */
export const mergeLayers = (layers: readonly Layer[]): Tree =>
  layers.reduce<Tree>((below, layer) => merge(below, layer.tree), {});

/** Dotted paths of everything that the tree sets; a list counts as one setting. */
export function listPaths(tree: Tree, prefix = ""): readonly string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    isTree(value) && Object.keys(value).length > 0 ? listPaths(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

/** What lies at the dotted path; undefined where the tree does not set it. */
export const valueAt = (tree: Tree, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>((inner, key) => (isTree(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined), tree);
