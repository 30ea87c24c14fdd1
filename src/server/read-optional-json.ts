/**
 * Reads the body of an order that needs none, such as a pause: nothing counts as no fields, and only a broken body is
 * an error.
 */
import type { HttpContext } from "./http-types.ts";

export type OptionalJson =
  | { readonly kind: "fields"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "malformed"; readonly detail: string };

/** Reads a JSON object, or nothing at all. */
export async function readOptionalJson(context: HttpContext): Promise<OptionalJson> {
  const text = await context.req.text();
  if (text.trim() === "") return { kind: "fields", fields: {} };
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return { kind: "fields", fields: { ...parsed } };
    return { kind: "malformed", detail: "The body must be a JSON object." };
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof RangeError)
      return { kind: "malformed", detail: "The body is not valid JSON." };
    throw thrown;
  }
}
