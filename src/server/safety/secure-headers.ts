/**
 * The headers that tell a browser what an answer may do. Every answer carries them, because any answer can be opened as
 * a page.
 */
import type { HttpMiddleware } from "../http-types.ts";

/** A page needs nothing but its own files, so nothing else is allowed; with a key it shows clips as blobs. */
export const contentSecurityPolicy = (imageSources = "'self' blob:"): string =>
  `default-src 'self'; img-src ${imageSources}; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'`;

const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": contentSecurityPolicy(),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // The filter itself was a hole in old browsers. The compatible clients expect the header, and 0 is its safe value.
  "x-xss-protection": "0",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

const entries = Object.entries(securityHeaders);

/**
 * The headers are set before the route answers, because those that are changed afterwards make Hono build the response
 * twice.
 */
export const secureHeaders: HttpMiddleware = async (context, next) => {
  for (const [name, value] of entries) context.header(name, value);
  await next();
};
