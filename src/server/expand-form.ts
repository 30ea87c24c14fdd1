/**
 * Reads names of form fields such as `understudy[floor][width]` and `understudy[allow][]` as the structure that they
 * stand for.
 */

export type ExpandedForm =
  | { readonly kind: "fields"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "refused"; readonly param: string; readonly detail: string };

const mostFieldCount = 200;
const deepestCount = 4;
/** These names would reach what every object has in common. */
const forbidden = new Set(["__proto__", "prototype", "constructor"]);
const wellFormed = /^([^[\]]{1,64})((?:\[[^[\]]{0,64}\])*)$/;

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Splits a name: `a[b][]` becomes `a`, `b`, and an empty last part, which appends to a list. Null for any other text.
 */
function partsOf(name: string): readonly string[] | null {
  const match = wellFormed.exec(name);
  if (match === null) return null;
  const parts = [match[1] ?? "", ...Array.from((match[2] ?? "").matchAll(/\[([^[\]]*)\]/g), (part) => part[1] ?? "")];
  const isSound = parts.every((part, index) => !forbidden.has(part) && (part !== "" || index === parts.length - 1));
  return isSound && parts.length <= deepestCount ? parts : null;
}

/** A name that comes twice is a list. */
function joined(known: unknown, value: string, isList: boolean): unknown {
  if (known === undefined) return isList ? [value] : value;
  return Array.isArray(known) ? [...known, value] : [known, value];
}

/** Puts a value into its place; false where one name is a text in one place and an object in another. */
function put(fields: Fields, parts: readonly string[], value: string): boolean {
  const isList = parts.at(-1) === "";
  const path = isList ? parts.slice(0, -1) : parts;
  let place = fields;
  for (const part of path.slice(0, -1)) {
    place[part] ??= {};
    const next = place[part];
    if (!isFields(next)) return false;
    place = next;
  }
  const last = path.at(-1) ?? "";
  if (isFields(place[last])) return false;
  place[last] = joined(place[last], value, isList);
  return true;
}

export function expandForm(entries: readonly (readonly [name: string, value: string])[]): ExpandedForm {
  if (entries.length > mostFieldCount)
    return { kind: "refused", param: "body", detail: `The form has more than ${mostFieldCount} fields.` };
  const fields: Fields = {};
  for (const [name, value] of entries) {
    const parts = partsOf(name);
    const param = name.slice(0, 64);
    if (parts === null) return { kind: "refused", param, detail: `${param} is not a field's name.` };
    if (!put(fields, parts, value))
      return { kind: "refused", param, detail: `${param} is sent as a text and as an object.` };
  }
  return { kind: "fields", fields };
}
