/**
 * Puts the words that were typed into the order in which the tree reads them: route, flags, operands. People may type
 * flags anywhere, and the command `serve` not at all. Pure.
 */
import { parseArgs } from "node:util";
import type { RouteMap } from "@stricli/core";
import { commandTree, needs, usualCommand } from "./command-tree.ts";
import { declaredFlags, isLeaf, isRepeatable, passesOn, type Target } from "./declared-flags.ts";
import type { Parsing } from "./parsing.ts";

export type Arranged =
  | { readonly kind: "words"; readonly route: readonly string[]; readonly words: readonly string[] }
  | { readonly kind: "version" }
  /** The sentence lacks its beginning, which the caller puts before it. */
  | { readonly kind: "refused"; readonly sentence: string };

interface TypedFlag {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | boolean | undefined;
}

const isDeclared = ({ name }: TypedFlag): boolean => Object.hasOwn(declaredFlags, name);

/** Where the words lead, as far as the tree has them. */
interface Walk {
  readonly route: string[];
  target: Target;
  readonly flags: TypedFlag[];
  /** The words after the route; the first may be a command that does not exist. */
  readonly operands: string[];
}

const tokensOf = (argv: readonly string[]) =>
  parseArgs({ args: [...argv], options: declaredFlags, strict: false, allowPositionals: true, tokens: true }).tokens;

const nextOf = (target: RouteMap<Parsing>, word: string): Target | undefined =>
  target.getAllEntries().find(({ name }) => name.original === word)?.target;

/** A step along the route, or an operand. */
function takeWord(way: Walk, word: string): void {
  const next = isLeaf(way.target) || way.operands.length > 0 ? undefined : nextOf(way.target, word);
  if (next === undefined) {
    way.operands.push(word);
    return;
  }
  way.route.push(word);
  way.target = next;
}

function walk(argv: readonly string[]): Walk {
  const way: Walk = { route: [], target: commandTree, flags: [], operands: [] };
  for (const token of tokensOf(argv)) {
    if (token.kind === "option") way.flags.push(token);
    if (token.kind !== "positional") continue;
    if (isLeaf(way.target) && passesOn(way.target)) return { ...way, operands: argv.slice(token.index) };
    takeWord(way, token.value);
  }
  return way;
}

/**
 * Goes to the usual command where none was typed; also where a flag is misspelt, since its value may look like a
 * command.
 */
function orUsual(way: Walk): Walk {
  const isUsual = way.route.length === 0 && (way.operands.length === 0 || !way.flags.every(isDeclared));
  const usual = nextOf(commandTree, usualCommand);
  return isUsual && usual !== undefined ? { ...way, route: [usualCommand], target: usual } : way;
}

/** What is wrong with a flag's value; null when nothing is. */
function valueProblem({ name, rawName, value }: TypedFlag): string | null {
  const type = Object.hasOwn(declaredFlags, name) ? declaredFlags[name]?.type : undefined;
  if (type === "boolean") return value === undefined ? null : `${rawName} takes no value`;
  const isMissing = value === undefined || value === "" || String(value).startsWith("--");
  return type === "string" && isMissing ? `${rawName} needs a value` : null;
}

function wordsOf(flag: TypedFlag): readonly string[] {
  const { name, rawName, value } = flag;
  const typed = isDeclared(flag) ? `--${name}` : rawName;
  if (typeof value !== "string") return [typed];
  return value.startsWith("-") ? [`${typed}=${value}`] : [typed, value];
}

const isLast = (flag: TypedFlag, index: number, flags: readonly TypedFlag[]): boolean =>
  flags.findLastIndex(({ name }) => name === flag.name) === index;

/** What leads to no command: nothing more was typed, or a word that the tree does not have. */
function astray({ route, operands: [word] }: Walk): Arranged {
  const [command = ""] = route;
  return word === undefined
    ? { kind: "refused", sentence: `${command} needs ${needs[command] ?? "a command"}` }
    : { kind: "words", route, words: [...route, word] };
}

function arrange(way: Walk): Arranged {
  const { route, target, flags, operands } = way;
  const isKnown = isLeaf(target) || operands.length === 0;
  if (isKnown && flags.some(({ name }) => name === "help"))
    return { kind: "words", route, words: [...route, "--help"] };
  if (flags.some(({ name }) => name === "version")) return { kind: "version" };
  if (!isLeaf(target)) return astray(way);
  const kept = flags.filter((flag, index) => isRepeatable(target, flag.name) || isLast(flag, index, flags));
  return { kind: "words", route, words: [...route, ...kept.flatMap(wordsOf), "--", ...operands] };
}

/** `argv` without the program's own two entries. */
export function arrangeWords(argv: readonly string[]): Arranged {
  // `help jobs list`, as other programs have it, is `jobs list --help`.
  if (argv[0] === "help") return arrangeWords([...argv.slice(1), "--help"]);
  const isFirstPage = argv.length === 1 && (argv[0] === "--help" || argv[0] === "-h");
  if (isFirstPage) return { kind: "words", route: [], words: ["--help"] };
  const way = orUsual(walk(argv));
  const problem = way.flags.map(valueProblem).find((found) => found !== null);
  return problem === undefined ? arrange(way) : { kind: "refused", sentence: problem };
}
