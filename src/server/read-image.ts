/**
 * Reads an image that came with a submission, by whatever way: it is judged by its content, and decoded whole before it
 * counts.
 */
import { createHash } from "node:crypto";
import { imageProblem, imageTypeOf } from "../contract/image-content.ts";
import type { UploadedImage } from "../core/ports/media.ts";
import type { Refusal } from "./problems.ts";
import type { ServerPorts } from "./server-ports.ts";

export interface ReadImage extends UploadedImage {
  readonly sha256: string;
}

export type ImagePorts = Pick<ServerPorts, "images">;

/** @param param how the caller names it. Throws MediaError IMAGE_UNCHECKED where no image can be decoded now. */
export async function readImage(
  { images }: ImagePorts,
  param: string,
  bytes: Uint8Array,
): Promise<ReadImage | { readonly refusal: Refusal }> {
  const refused = (detail: string) => ({ refusal: { code: "REQUEST_INVALID", param, detail: `${detail}.` } }) as const;
  const mimeType = imageTypeOf(bytes);
  const problem = imageProblem(param, bytes);
  if (problem !== null || mimeType === null) return refused(problem ?? `${param} is no image`);
  const image = { bytes, mimeType };
  const damage = await images.imageProblemOf(image);
  if (damage !== null) return refused(`${param} ${damage}`);
  return { ...image, sha256: createHash("sha256").update(bytes).digest("hex") };
}
