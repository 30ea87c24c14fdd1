/** A configuration that was read again while the service runs: what of it takes effect, and what waits for the next start. */
import { isTree, type Tree, valueAt } from "./layers.ts";
import { type AcceptedConfig, acceptTree, type ConfigRefusal } from "./parse-config.ts";
import { listSettings, type Setting } from "./settings.ts";

export interface Reload {
  readonly kind: "planned";
  readonly accepted: AcceptedConfig;
  /** Settings that take effect now. */
  readonly applied: readonly string[];
  /** Settings that are different in what was read, and stay as they were until the next start. */
  readonly waiting: readonly string[];
}

/** A copy in which the path holds the value; undefined removes it. */
function withValue(tree: Tree, [key = "", ...rest]: readonly string[], value: unknown): Tree {
  const { [key]: before, ...others } = tree;
  const after = rest.length === 0 ? value : withValue(isTree(before) ? before : {}, rest, value);
  return after === undefined ? others : { ...others, [key]: after };
}

const isChanged = ({ path, byDefault }: Setting, before: Tree, after: Tree): boolean =>
  JSON.stringify(valueAt(before, path) ?? byDefault) !== JSON.stringify(valueAt(after, path) ?? byDefault);

/** The running configuration with the live settings of the new one; refused where the two do not go together. */
export function planReload(running: AcceptedConfig, next: AcceptedConfig): Reload | ConfigRefusal {
  const changed = listSettings().filter((setting) => isChanged(setting, running.tree, next.tree));
  const live = changed.filter(({ isLive }) => isLive);
  const tree = live.reduce<Tree>(
    (mixed, { path }) => withValue(mixed, path.split("."), valueAt(next.tree, path)),
    running.tree,
  );
  const answer = acceptTree(tree, { sources: next.sources, layers: [] });
  if (answer.kind === "refused") return answer;
  return {
    kind: "planned",
    // The state directory was made absolute when it was read first.
    accepted: { ...answer, config: { ...answer.config, stateDir: running.config.stateDir } },
    applied: live.map(({ path }) => path),
    waiting: changed.filter(({ isLive }) => !isLive).map(({ path }) => path),
  };
}
