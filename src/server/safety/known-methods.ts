/** Answers 405 instead of 404 where only the method is wrong, so that a client's author sees which of the two it is. */
import type { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { HttpContext, HttpEnv, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";

/** Answers 405 with `Allow` where the address exists for another method. */
export function knownMethods(app: Hono<HttpEnv>): HttpMiddleware {
  return methodNotAllowed({
    app,
    onMethodNotAllowed: (context, methods) =>
      refuse(context as HttpContext, {
        code: "METHOD_NOT_ALLOWED",
        detail: `This address takes ${methods.join(", ")}.`,
        headers: { allow: methods.join(", ") },
      }),
  });
}
