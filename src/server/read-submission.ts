/** Reads what a compatible client submits, JSON or form, into an order and the images that it brings. */
import { parseSubmission, type SubmitFields } from "../contract/submit-request.ts";
import { present } from "../core/present.ts";
import type { HttpContext } from "./http-types.ts";
import { invalid, type OrRefusal, readBody } from "./read-body.ts";
import { type ImagePorts, type ReadImage, readImage } from "./read-image.ts";
import type { ServerPorts } from "./server-ports.ts";

interface Images {
  /** SHA-256 of each uploaded image, with its field's name. */
  readonly imageHashes: readonly string[];
  /** The image from which the video begins. */
  readonly image?: ReadImage;
}

export interface ReadSubmission extends Images {
  readonly fields: SubmitFields;
}

const imageFields = ["image", "end_image"] as const;

/** Two generations of the compatible client send the file that they could not encode as `{}`. */
function imagesOfJson(fields: unknown): OrRefusal<Images> {
  const given = typeof fields === "object" ? (fields as Readonly<Record<string, unknown>> | null) : null;
  const unread = imageFields.find((name) => (given?.[name] ?? "") !== "");
  return unread === undefined ? { imageHashes: [] } : invalid(unread, `${unread} must be a file in a multipart form`);
}

async function imagesOfForm(form: FormData, ports: ImagePorts): Promise<OrRefusal<Images>> {
  const imageHashes: string[] = [];
  let image: ReadImage | undefined;
  for (const name of imageFields) {
    const value = form.get(name);
    if (value === null || value === "") continue;
    if (typeof value === "string") return invalid(name, `${name} must be a file`);
    const read = await readImage(ports, name, new Uint8Array(await value.arrayBuffer()));
    if ("refusal" in read) return read;
    if (name === "image") image = read;
    imageHashes.push(`${name}:${read.sha256}`);
  }
  return { imageHashes, ...present({ image }) };
}

const textsOf = (form: FormData): Record<string, string> =>
  Object.fromEntries([...form.entries()].filter((entry): entry is [string, string] => typeof entry[1] === "string"));

export async function readSubmission(
  context: HttpContext,
  ports: Pick<ServerPorts, "images" | "catalog">,
): Promise<OrRefusal<ReadSubmission>> {
  const body = await readBody(context);
  if ("refusal" in body) return body;
  const raw = "form" in body ? textsOf(body.form) : body.json;
  const images = "form" in body ? await imagesOfForm(body.form, ports) : imagesOfJson(raw);
  if ("refusal" in images) return images;
  const parsed = parseSubmission(raw, { catalog: ports.catalog, hasImage: images.image !== undefined });
  return parsed.kind === "invalid" ? invalid(parsed.param, parsed.message) : { fields: parsed.fields, ...images };
}
