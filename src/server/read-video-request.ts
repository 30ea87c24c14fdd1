/** Reads a video's order, form or JSON, and the image that it brings. */
import { type AcceptedVideo, imageUrlField, parseVideoRequest, type VideoAbout } from "../contract/videos-request.ts";
import { present } from "../core/present.ts";
import { expandForm } from "./expand-form.ts";
import type { HttpContext } from "./http-types.ts";
import { invalid, type OrRefusal, readBody } from "./read-body.ts";
import { type ImagePorts, type ReadImage, readImage } from "./read-image.ts";

interface RawOrder {
  readonly fields: unknown;
  readonly file?: Uint8Array;
}

export interface ReadVideo {
  readonly video: AcceptedVideo;
  readonly image?: ReadImage;
}

async function takeApart(form: FormData): Promise<OrRefusal<RawOrder>> {
  const texts: (readonly [string, string])[] = [];
  let file: Uint8Array | undefined;
  for (const [name, value] of form.entries()) {
    if (typeof value === "string") texts.push([name, value]);
    else if (name === "input_reference" && file === undefined) file = new Uint8Array(await value.arrayBuffer());
    else return invalid(name.slice(0, 64), "Only one file is taken, as input_reference.");
  }
  const expanded = expandForm(texts);
  if (expanded.kind === "refused") return invalid(expanded.param, expanded.detail);
  return { fields: expanded.fields, ...present({ file }) };
}

/** Reads a data URL: only bytes that lie in the request itself are taken, and nothing is fetched. */
function bytesOfUrl(url: string): OrRefusal<Uint8Array> {
  const data = /^data:[^,;]{0,64};base64,([A-Za-z0-9+/=_-]*)$/.exec(url.trim());
  if (data?.[1] !== undefined) return Buffer.from(data[1], "base64");
  return invalid(imageUrlField, "The data URL must be of the form data:image/png;base64,…");
}

export async function readVideoRequest(
  context: HttpContext,
  ports: ImagePorts,
  about: Omit<VideoAbout, "hasImageFile">,
): Promise<OrRefusal<ReadVideo>> {
  const body = await readBody(context);
  if ("refusal" in body) return body;
  const raw: OrRefusal<RawOrder> = "form" in body ? await takeApart(body.form) : { fields: body.json };
  if ("refusal" in raw) return raw;
  const video = parseVideoRequest(raw.fields, { ...about, hasImageFile: raw.file !== undefined });
  if (video.kind === "address")
    return { refusal: { code: "IMAGE_ADDRESS_REFUSED", param: video.param, detail: video.message } };
  if (video.kind !== "video") return invalid(video.param, video.message);
  const bytes = raw.file ?? (video.imageUrl === undefined ? undefined : bytesOfUrl(video.imageUrl));
  if (bytes === undefined) return { video };
  if ("refusal" in bytes) return bytes;
  const image = await readImage(ports, raw.file === undefined ? imageUrlField : "input_reference", bytes);
  return "refusal" in image ? image : { video, image };
}
