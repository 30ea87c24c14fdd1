/** An image that came as text in a JSON body. */
import { createHash } from "node:crypto";
import { type ImageType, imageProblem, imageTypeOf } from "../contract/image-content.ts";

export interface ReadImage {
  readonly bytes: Uint8Array;
  readonly mimeType: ImageType;
  readonly sha256: string;
}

/** One sentence where it is none. */
export function readImage(base64: string): ReadImage | string {
  const bytes = new Uint8Array(Buffer.from(base64, "base64"));
  const mimeType = imageTypeOf(bytes);
  const problem = imageProblem("image", bytes);
  if (problem !== null || mimeType === null) return `${problem ?? "image is no image"}.`;
  return { bytes, mimeType, sha256: createHash("sha256").update(bytes).digest("hex") };
}
