/** Serves one artifact file: whole or in part (RFC 9110, sections 13 and 14), named by its hash. */
import type { ArtifactRef } from "../core/job.ts";
import { present } from "../core/present.ts";
import type { HttpContext } from "./http-types.ts";
import { refuse } from "./problems.ts";
import type { ServerPorts } from "./server-ports.ts";

export interface ArtifactAbout {
  /** Only addresses that name the content itself are `immutable`. */
  readonly caching: "immutable" | "no-cache";
  readonly disposition: "inline" | "attachment";
  readonly fileName: string;
  readonly notFound: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type ByteRange =
  | { readonly kind: "whole" }
  | { readonly kind: "unsatisfiable" }
  | { readonly kind: "part"; readonly start: number; readonly end: number };

/** Several ranges, other units and malformed texts are ignored, as RFC 9110 section 14.2 allows: the whole is sent. */
export function readRange(header: string | undefined, bytes: number): ByteRange {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.replaceAll(" ", "") ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return { kind: "whole" };
  if (first === "") {
    const count = Math.min(Number(last), bytes);
    return count === 0 ? { kind: "unsatisfiable" } : { kind: "part", start: bytes - count, end: bytes - 1 };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return { kind: "whole" };
  if (start >= bytes) return { kind: "unsatisfiable" };
  return { kind: "part", start, end: last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}

const lists = (header: string | undefined, etag: string): boolean =>
  header?.split(",").some((entry) => entry.trim() === "*" || entry.trim().replace(/^W\//, "") === etag) ?? false;

type ReadResult = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

/** Reads the first bytes before the answer begins, so that a file that is gone is a 404 and not a broken answer. */
async function openFile(source: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array> | null> {
  const reader = source.getReader();
  let first: ReadResult;
  try {
    first = await reader.read();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
  const pass = (result: ReadResult, controller: ReadableStreamDefaultController<Uint8Array>): void => {
    if (result.done) controller.close();
    else controller.enqueue(result.value);
  };
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => pass(first, controller),
      pull: async (controller) => pass(await reader.read(), controller),
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 1 },
  );
}

/** A name in quotes and free of what would end them: names here are ids, but a header must not depend on that. */
const quoted = (name: string): string => `"${name.replace(/[^A-Za-z0-9._-]/g, "_")}"`;

export async function serveArtifact(
  context: HttpContext,
  ports: Pick<ServerPorts, "artifacts">,
  artifact: ArtifactRef,
  about: ArtifactAbout,
): Promise<Response> {
  const etag = `"${artifact.sha256}"`;
  const headers = {
    etag,
    "cache-control": about.caching === "immutable" ? "public, max-age=31536000, immutable" : "no-cache",
    "accept-ranges": "bytes",
    ...about.headers,
  };
  if (lists(context.req.header("if-none-match"), etag)) return context.body(null, 304, headers);
  const ifRange = context.req.header("if-range");
  const isSameContent = ifRange === undefined || ifRange.trim() === etag;
  const range = readRange(isSameContent ? context.req.header("range") : undefined, artifact.bytes);
  if (range.kind === "unsatisfiable") {
    return context.body(null, 416, { ...headers, "content-range": `bytes */${artifact.bytes}` });
  }
  const length = range.kind === "whole" ? artifact.bytes : range.end - range.start + 1;
  const status = range.kind === "whole" ? 200 : 206;
  const described = {
    ...headers,
    "content-type": artifact.mimeType,
    "content-length": String(length),
    "content-disposition": `${about.disposition}; filename=${quoted(about.fileName)}`,
    ...present({
      "content-range": range.kind === "whole" ? undefined : `bytes ${range.start}-${range.end}/${artifact.bytes}`,
    }),
  };
  if (context.req.method === "HEAD") return context.body(null, status, described);
  const body = await openFile(
    range.kind === "whole" ? ports.artifacts.read(artifact) : ports.artifacts.read(artifact, range),
  );
  if (body === null) return refuse(context, { code: "NOT_FOUND", detail: about.notFound });
  return context.body(body, status, described);
}
