/** The pages of `--help`, drawn from the tree: one for each command, and the first one. Pure. */
import { commandTree, usualCommand } from "./command-tree.ts";
import { isLeaf, type Leaf, type Target } from "./declared-flags.ts";

type Row = readonly [left: string, right: string];

const program = "understudy";

const closing = `Every setting has an environment variable too (UNDERSTUDY_PORT, UNDERSTUDY_STAND_IN_AFTER, ...).
A flag wins over the environment, the environment over the file, the file over the default. docs/configuration.md lists all.

Exit codes: 0 all right, 1 it failed, 2 it was not understood, 3 no service answers, 4 it works with limits (status) or a stand-in
is all there is (jobs submit --wait), 130 Ctrl-C.
`;

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

function operandsOf({ parameters: { positional } }: Leaf): readonly Row[] {
  if (positional === undefined) return [];
  if (positional.kind === "array")
    return [[`${positional.parameter.placeholder ?? "WORD"} ...`, positional.parameter.brief]];
  return positional.parameters.map(({ placeholder = "WORD", brief }) => [placeholder, brief]);
}

function flagRows({ parameters: { flags = {}, aliases = {} } }: Leaf): readonly Row[] {
  const shortOf = new Map(Object.entries(aliases).map(([short, name]) => [name, short]));
  const declared = Object.entries(flags).map(([name, flag]): Row => {
    const short = shortOf.get(name);
    const placeholder = flag.kind === "boolean" ? "" : ` ${flag.placeholder ?? "VALUE"}`;
    return [`${short === undefined ? "    " : `-${short}, `}--${name}${placeholder}`, flag.brief];
  });
  return [...declared, ["-h, --help", "this text"], ["-v, --version", "the version"]];
}

const usageOf = (leaf: Leaf, path: readonly string[]): string =>
  [...path, ...operandsOf(leaf).map(([name]) => name)].join(" ");

/** Every command below the target that people type, with what it is for. */
function commandRows(target: Target, path: readonly string[]): readonly Row[] {
  if (isLeaf(target)) return [[usageOf(target, path), target.brief]];
  return target
    .getAllEntries()
    .filter(({ hidden }) => !hidden)
    .flatMap((entry) => commandRows(entry.target, [...path, entry.name.original]));
}

const paragraphs = (...texts: readonly (string | undefined)[]): string =>
  `${texts.filter((text) => text !== undefined && text !== "").join("\n\n")}\n`;

function firstPage(): string {
  const usual = commandTree.getRoutingTargetForInput(usualCommand);
  return paragraphs(
    `${program}: ${commandTree.brief}`,
    `Usage\n${table(commandRows(commandTree, [program]))}`,
    `${program} COMMAND --help tells the flags of a command. Without a command it is ${usualCommand}.`,
    usual !== undefined && isLeaf(usual) ? `Flags of ${usualCommand}\n${table(flagRows(usual))}` : undefined,
    closing.trimEnd(),
  );
}

/** @param path the program's name and the command's */
export function helpPage(target: Target, path: readonly string[]): string {
  if (target === commandTree) return firstPage();
  if (!isLeaf(target))
    return paragraphs(`${path.join(" ")}: ${target.brief}`, `Usage\n${table(commandRows(target, path))}`);
  const operands = operandsOf(target);
  return paragraphs(
    `${path.join(" ")}: ${target.brief}`,
    `Usage\n  ${usageOf(target, path)} [flags]`,
    operands.length === 0 ? undefined : table(operands),
    `Flags\n${table(flagRows(target))}`,
    target.fullDescription,
  );
}
