/** Reads the body of a video's order, form or JSON, and the image that it brings. */
import { type AcceptedVideo, parseVideoRequest, type VideoAbout } from "../contract/videos-request.ts";
import { expandForm } from "./expand-form.ts";
import type { HttpContext } from "./http-types.ts";
import type { Refusal } from "./problems.ts";
import { type ImagePorts, type ReadImage, readImage } from "./read-image.ts";

interface RawBody {
  readonly fields: unknown;
  readonly image?: Uint8Array;
}

export interface ReadVideo {
  readonly video: AcceptedVideo;
  readonly image?: ReadImage;
}

type OrRefusal<Value> = Value | { readonly refusal: Refusal };

const malformed = (detail: string) => ({ refusal: { code: "REQUEST_MALFORMED", detail } }) as const;
const invalid = (param: string, detail: string) => ({ refusal: { code: "REQUEST_INVALID", param, detail } }) as const;

function parseJson(text: string): OrRefusal<RawBody> {
  try {
    return { fields: JSON.parse(text) };
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof RangeError) return malformed("The body is not valid JSON.");
    throw thrown;
  }
}

async function readForm(context: HttpContext): Promise<OrRefusal<RawBody>> {
  let form: FormData;
  try {
    form = await context.req.formData();
  } catch (thrown) {
    // undici says so of every malformed form.
    if (thrown instanceof TypeError) return malformed("The form could not be read.");
    throw thrown;
  }
  const texts: (readonly [string, string])[] = [];
  let image: Uint8Array | undefined;
  for (const [name, value] of form.entries()) {
    if (typeof value === "string") texts.push([name, value]);
    else if (name === "input_reference" && image === undefined) image = new Uint8Array(await value.arrayBuffer());
    else return invalid(name.slice(0, 64), "Only one file is taken, as input_reference.");
  }
  const expanded = expandForm(texts);
  if (expanded.kind === "refused") return invalid(expanded.param, expanded.detail);
  return { fields: expanded.fields, ...(image === undefined ? {} : { image }) };
}

async function readBody(context: HttpContext): Promise<OrRefusal<RawBody>> {
  const type = (context.req.header("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "multipart/form-data" || type === "application/x-www-form-urlencoded") return readForm(context);
  if (type === "application/json" || type.endsWith("+json")) return parseJson(await context.req.text());
  return { refusal: { code: "MEDIA_TYPE_UNSUPPORTED", detail: "Send multipart/form-data or application/json." } };
}

const urlField = "input_reference[image_url]";

/** Only what lies in the request itself. */
function bytesOfUrl(url: string): OrRefusal<Uint8Array> {
  const data = /^data:[^,;]{0,64};base64,([A-Za-z0-9+/=_-]*)$/.exec(url.trim());
  if (data?.[1] !== undefined) return Buffer.from(data[1], "base64");
  if (/^data:/i.test(url)) return invalid(urlField, "The data URL must be of the form data:image/png;base64,…");
  return {
    refusal: {
      code: "IMAGE_ADDRESS_REFUSED",
      param: urlField,
      detail: "This service fetches no addresses: send the image as a file, or as a data URL.",
    },
  };
}

export async function readVideoRequest(
  context: HttpContext,
  ports: ImagePorts,
  about: Omit<VideoAbout, "hasImageFile">,
): Promise<OrRefusal<ReadVideo>> {
  const body = await readBody(context);
  if ("refusal" in body) return body;
  const parsed = parseVideoRequest(body.fields, { ...about, hasImageFile: body.image !== undefined });
  if (parsed.kind === "invalid") return invalid(parsed.param, parsed.message);
  const fromUrl = body.image === undefined && parsed.imageUrl !== undefined ? bytesOfUrl(parsed.imageUrl) : undefined;
  if (fromUrl !== undefined && "refusal" in fromUrl) return fromUrl;
  const bytes = body.image ?? fromUrl;
  if (bytes === undefined) return { video: parsed };
  const image = await readImage(ports, body.image === undefined ? urlField : "input_reference", bytes);
  return "refusal" in image ? image : { video: parsed, image };
}
