/**
 * The wire is snake_case, memory is camelCase. One renaming serves every message, and its types are computed from the
 * same rule, so that a field which differs between the two does not compile.
 */

type CamelWord<Word extends string> = Word extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelWord<Tail>>}`
  : Word;
type SnakeWord<Word extends string> = Word extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeWord<Rest>}`
  : Word;

/** The camelCase shape of a wire message. */
export type Camel<Value> = Value extends readonly (infer Item)[]
  ? readonly Camel<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value as CamelWord<Key & string>]: Camel<Exclude<Value[Key], undefined>> }
    : Value;

/** The wire shape of a camelCase value. */
export type Snake<Value> = Value extends readonly (infer Item)[]
  ? Snake<Item>[]
  : Value extends object
    ? { -readonly [Key in keyof Value as SnakeWord<Key & string>]: Snake<Exclude<Value[Key], undefined>> }
    : Value;

/** Names of things, such as `T2V-A14B`, are keys too, and stay as they are. */
const isFieldName = (key: string): boolean => /^[a-z]\w*$/.test(key);
const camelWord = (word: string): string =>
  word.replaceAll(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
const snakeWord = (word: string): string => word.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const fieldWord = (key: string): string => (isFieldName(key) ? snakeWord(key) : key);

function renameKeys(value: unknown, rename: (word: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, rename));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, held]) => held !== undefined);
  return Object.fromEntries(
    entries.map(([key, held]) => [isFieldName(key) ? rename(key) : key, renameKeys(held, rename)]),
  );
}

/** A JSON Schema of what `toWire` makes of the values that the given one describes. */
export function renamedSchema<Schema extends object>(schema: Schema): Schema {
  const deep = (held: unknown): unknown =>
    typeof held === "object" && held !== null && !Array.isArray(held) ? renamedSchema(held) : held;
  const renamed = (word: string, held: unknown): unknown => {
    if (word === "properties")
      return Object.fromEntries(Object.entries(held ?? {}).map(([key, inner]) => [fieldWord(key), deep(inner)]));
    if (!Array.isArray(held)) return deep(held);
    return held.map((item) => (word === "required" ? fieldWord(String(item)) : deep(item)));
  };
  return Object.fromEntries(Object.entries(schema).map(([word, held]) => [word, renamed(word, held)])) as Schema;
}

export function fromWire<Value>(value: Value): Camel<Value> {
  return renameKeys(value, camelWord) as Camel<Value>;
}

/** Fields that are undefined are left out: JSON has no word for them. */
export function toWire<Value>(value: Value): Snake<Value> {
  return renameKeys(value, snakeWord) as Snake<Value>;
}
