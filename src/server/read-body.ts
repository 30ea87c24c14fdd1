/** The body of an order: JSON, or a form, which its reader takes apart. */
import type { HttpContext } from "./http-types.ts";
import type { Refusal } from "./problems.ts";

export type OrRefusal<Value> = Value | { readonly refusal: Refusal };

export const invalid = (param: string, detail: string) =>
  ({ refusal: { code: "REQUEST_INVALID", param, detail } }) as const;
const malformed = (detail: string) => ({ refusal: { code: "REQUEST_MALFORMED", detail } }) as const;

export type Body = { readonly json: unknown } | { readonly form: FormData };

async function readJson(context: HttpContext): Promise<OrRefusal<Body>> {
  try {
    return { json: JSON.parse(await context.req.text()) };
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof RangeError) return malformed("The body is not valid JSON.");
    throw thrown;
  }
}

async function readForm(context: HttpContext): Promise<OrRefusal<Body>> {
  try {
    return { form: await context.req.formData() };
  } catch (thrown) {
    // undici says so of every malformed form.
    if (thrown instanceof TypeError) return malformed("The form could not be read.");
    throw thrown;
  }
}

export async function readBody(context: HttpContext): Promise<OrRefusal<Body>> {
  const type = (context.req.header("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "application/json" || type.endsWith("+json")) return readJson(context);
  if (type === "multipart/form-data" || type === "application/x-www-form-urlencoded") return readForm(context);
  return { refusal: { code: "MEDIA_TYPE_UNSUPPORTED", detail: "Send application/json or multipart/form-data." } };
}
