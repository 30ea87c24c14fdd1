export const longestListCount = 1_000;

/** The `limit` of a list: 1,000 where none is given, null where it is no whole number from 1 to 1,000. */
export function readLimit(text: string | undefined): number | null {
  if (text === undefined) return longestListCount;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= longestListCount ? limit : null;
}
