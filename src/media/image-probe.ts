/**
 * Decodes an uploaded picture whole before a job is accepted with it, in a child process of its own: pictures come from
 * strangers, and a decoder may crash on one.
 */
import { ImageDecoder } from "@napi-rs/webcodecs";
import { sizeText } from "../core/pixel-size.ts";
import type { UploadedImage } from "../core/ports/media.ts";
import { readImageClaim } from "./image-claim.ts";

/** The limit is 8192 x 8192 of any shape: more than a camera's picture has, and 256 MiB when it is decoded. */
const largestPixelCount = 8_192 * 8_192;
const damaged = "is cut off, damaged or animated: it could not be decoded whole";

/**
 * Decodes the whole picture: what passes here was really decoded, not only opened. Answers with the end of a sentence,
 * or null when the picture is sound.
 */
export async function findImageProblem({ bytes, mimeType }: UploadedImage): Promise<string | null> {
  const claim = readImageClaim(bytes, mimeType);
  if (claim === null) return damaged;
  const { width, height } = claim;
  if (width * height > largestPixelCount)
    return `has ${sizeText(claim)} pixels; at most ${largestPixelCount} are taken`;
  const decoder = new ImageDecoder({ data: bytes, type: mimeType });
  try {
    const { image } = await decoder.decode();
    const isWhole = image.codedWidth > 0 && image.codedHeight > 0;
    image.close();
    return isWhole ? null : damaged;
  } catch {
    return damaged;
  } finally {
    decoder.close();
  }
}
