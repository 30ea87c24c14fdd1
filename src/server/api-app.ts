/** An application whose routes come from the contract: requests are checked against it, answers are typed by it. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { ZodError } from "zod";
import { present } from "../core/present.ts";
import type { HttpContext, HttpEnv } from "./http-types.ts";
import { refuse } from "./problems.ts";

export type ApiApp = OpenAPIHono<HttpEnv>;

type CheckedPart = "json" | "form" | "query" | "param" | "header" | "cookie";

type Checked =
  | { readonly target: CheckedPart; readonly success: true }
  | { readonly target: CheckedPart; readonly success: false; readonly error: ZodError };

const codeOfPart = (target: CheckedPart) => (target === "param" ? "NOT_FOUND" : "REQUEST_INVALID");

function refuseInvalid(checked: Checked, context: HttpContext, statusOfParam: Readonly<Record<string, number>> = {}) {
  if (checked.success) return undefined;
  const [issue] = checked.error.issues;
  const param = issue?.path.join(".") ?? "";
  const status = statusOfParam[param];
  // A text that cannot be an id is the id of nothing.
  const detail =
    checked.target === "param"
      ? "There is nothing under this address."
      : `${param === "" ? "The body" : param} ${issue?.message ?? "is not acceptable"}.`;
  return refuse(context, {
    code: codeOfPart(checked.target),
    detail,
    ...present({ param: param === "" ? undefined : param, status }),
  });
}

/** Serves a route whose clients expect another status than 422 when a certain field is refused. */
export const refuseInvalidWith =
  (statusOfParam: Readonly<Record<string, number>>) =>
  <Result, AnyContext>(checked: Result, context: AnyContext) =>
    refuseInvalid(checked as Checked, context as HttpContext, statusOfParam);

export function createApiApp(): ApiApp {
  return new OpenAPIHono<HttpEnv>({ defaultHook: (checked, context) => refuseInvalid(checked, context) });
}
