import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpContext, HttpMiddleware } from "../http-types.ts";
import { refuse } from "../problems.ts";

/** Probes of a container platform carry no key. */
const open = new Set(["/livez", "/readyz", "/health"]);

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * `Bearer <key>`; browsers, which cannot send that with a stream or a video, are asked for it as a password (`Basic`),
 * whatever the user name. Ambient credentials are safe here because foreign origins are refused.
 */
function keyOf(context: HttpContext): string | null {
  const [scheme, value] = (context.req.header("authorization") ?? "").split(" ", 2);
  if (value === undefined) return null;
  if (scheme?.toLowerCase() === "bearer") return value;
  if (scheme?.toLowerCase() !== "basic") return null;
  const decoded = Buffer.from(value, "base64").toString("utf8");
  return decoded.slice(decoded.indexOf(":") + 1);
}

/** Without a key configured everybody who reaches the loopback address may do everything. */
export function bearerKey(apiKey: string | null): HttpMiddleware {
  const expected = apiKey === null ? null : digest(apiKey);
  return async (context, next) => {
    context.set("apiKeyId", expected === null ? "local" : "environment");
    if (expected === null || open.has(context.req.path)) return next();
    const given = keyOf(context);
    // Digests have one length, so that the comparison takes the same time for every key.
    if (given !== null && timingSafeEqual(digest(given), expected)) return next();
    const isPage = context.req.header("accept")?.includes("text/html") === true;
    return refuse(context, {
      code: "UNAUTHENTICATED",
      detail: given === null ? "A key is needed." : "This key is not valid.",
      headers: { "www-authenticate": isPage ? 'Basic realm="Understudy", charset="UTF-8"' : 'Bearer realm="Understudy"' },
    });
  };
}
