/** Draws a clip's thumbnail from a decoded frame, so that a thumbnail always shows what the video shows. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { createCanvas, ImageData } from "@napi-rs/canvas";
import { MediaError } from "../core/errors.ts";
import { type DecodedPicture, readClip } from "./clip-reader.ts";

const jpegQuality = 82;
/** The picture is a few frames in, where a fade has ended. */
const pictureIndex = 4;

/** Draws a real frame of the clip as a JPEG. */
export async function renderThumbnail(order: {
  readonly sourcePath: string;
  readonly outputPath: string;
  readonly width: number;
}): Promise<void> {
  let found: DecodedPicture | undefined;
  await readClip(
    await readFile(order.sourcePath),
    (index) => index <= pictureIndex,
    (picture) => {
      found = picture;
    },
  );
  if (found === undefined) throw new MediaError("OUTPUT_INVALID", "The clip holds no picture.");
  const whole = createCanvas(found.width, found.height);
  whole
    .getContext("2d")
    .putImageData(new ImageData(new Uint8ClampedArray(found.pixels), found.width, found.height), 0, 0);
  const small = createCanvas(order.width, Math.round((order.width * found.height) / found.width));
  small.getContext("2d").drawImage(whole, 0, 0, small.width, small.height);
  await writeFile(`${order.outputPath}.part`, await small.encode("jpeg", jpegQuality));
  await rename(`${order.outputPath}.part`, order.outputPath);
}
