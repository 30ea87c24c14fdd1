/** A field without a value is left out: JSON, a row and an exact optional type have no word for one that is there and undefined. */

/** Fields that can lack a value become optional; the others stay as they are. */
export type Present<Fields, Lacking = undefined> = {
  [Key in keyof Fields as [Extract<Fields[Key], Lacking>] extends [never] ? Key : never]: Fields[Key];
} & {
  [Key in keyof Fields as [Extract<Fields[Key], Lacking>] extends [never] ? never : Key]?: Exclude<
    Fields[Key],
    Lacking
  >;
};

const isUndefined = (value: unknown): boolean => value === undefined;
const isNothing = (value: unknown): boolean => value === null || value === undefined;

/** A loop, because every answer and every row of a stream goes through here. */
function without(fields: object, isLacking: (value: unknown) => boolean): object {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (!isLacking(value)) kept[name] = value;
  return kept;
}

/** The fields that are not undefined, in their order; null is a value. */
export function present<Fields extends object>(fields: Fields): Present<Fields> {
  return without(fields, isUndefined) as Present<Fields>;
}

/** The fields that are neither null nor undefined: what is null in memory is left out on the wire. */
export function withoutNulls<Fields extends object>(fields: Fields): Present<Fields, null | undefined> {
  return without(fields, isNothing) as Present<Fields, null | undefined>;
}

/** What is made of a value, for one that may be lacking. */
export const ifKnown = <Value, Made>(
  value: Value | null | undefined,
  make: (value: Value) => Made,
): Made | undefined => (value === null || value === undefined ? undefined : make(value));

/** A list with something in it. */
export const ifAny = <List extends readonly unknown[]>(list: List | undefined): List | undefined =>
  list === undefined || list.length === 0 ? undefined : list;
