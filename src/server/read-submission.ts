/** Reads a submission's body, JSON or form, into fields and images. */
import type { UploadedImage } from "../core/ports/media.ts";
import type { HttpContext } from "./http-types.ts";
import type { Refusal } from "./problems.ts";
import { type ImagePorts, readImage } from "./read-image.ts";

export interface ReadSubmission {
  readonly kind: "read";
  readonly fields: unknown;
  /** SHA-256 of each uploaded image, with its field's name. */
  readonly imageHashes: readonly string[];
  /** From which the video begins. */
  readonly image?: UploadedImage;
}

export type BodyRead = ReadSubmission | { readonly kind: "refused"; readonly refusal: Refusal };

const imageFields = ["image", "end_image"] as const;
const refused = (refusal: Refusal): BodyRead => ({ kind: "refused", refusal });
const malformed = (detail: string): BodyRead => refused({ code: "REQUEST_MALFORMED", detail });
const invalid = (param: string, detail: string): BodyRead => refused({ code: "REQUEST_INVALID", detail, param });

/** Two generations of the seed's client send the file that they could not encode as `{}`. */
function readJson(text: string): BodyRead {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof RangeError) return malformed("The body is not valid JSON.");
    throw thrown;
  }
  const fields = parsed as Readonly<Record<string, unknown>> | null;
  for (const name of imageFields) {
    const value = typeof fields === "object" ? fields?.[name] : undefined;
    if (value !== undefined && value !== null && value !== "")
      return invalid(name, `${name} must be a file in a multipart form`);
  }
  return { kind: "read", fields: parsed, imageHashes: [] };
}

async function readForm(context: HttpContext, ports: ImagePorts): Promise<BodyRead> {
  let form: FormData;
  try {
    form = await context.req.formData();
  } catch (thrown) {
    // undici says so of every malformed form.
    if (thrown instanceof TypeError) return malformed("The form could not be read.");
    throw thrown;
  }
  const fields: Record<string, unknown> = {};
  const imageHashes: string[] = [];
  let image: UploadedImage | undefined;
  for (const [name, value] of form.entries()) if (typeof value === "string") fields[name] = value;
  for (const name of imageFields) {
    const value = form.get(name);
    if (value === null || value === "") continue;
    if (typeof value === "string") return invalid(name, `${name} must be a file`);
    const read = await readImage(ports, name, new Uint8Array(await value.arrayBuffer()));
    if ("refusal" in read) return refused(read.refusal);
    if (name === "image") image = read;
    imageHashes.push(`${name}:${read.sha256}`);
  }
  return { kind: "read", fields, imageHashes, ...(image === undefined ? {} : { image }) };
}

export async function readSubmission(context: HttpContext, ports: ImagePorts): Promise<BodyRead> {
  const type = (context.req.header("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "application/json" || type.endsWith("+json")) return readJson(await context.req.text());
  if (type === "multipart/form-data" || type === "application/x-www-form-urlencoded") return readForm(context, ports);
  return refused({ code: "MEDIA_TYPE_UNSUPPORTED", detail: "Send application/json or multipart/form-data." });
}
