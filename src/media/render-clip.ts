import { rename, writeFile } from "node:fs/promises";
import type { MediaFile } from "../core/ports/media.ts";
import { type ClipLook, createFramePainter } from "./frame-painter.ts";
import { createClipWriter } from "./h264-encoder.ts";

export interface ClipOrder {
  readonly outputPath: string;
  readonly look: ClipLook;
  readonly framesPerSecond: number;
  /** Called after each picture; may throw to end the work. */
  readonly onFrame?: (index: number) => void | Promise<void>;
}

/** Paints and encodes a clip; the file appears under its name only when it is whole. */
export async function renderClip({ outputPath, look, framesPerSecond, onFrame }: ClipOrder): Promise<MediaFile> {
  const painter = createFramePainter(look);
  const writer = await createClipWriter({ width: look.width, height: look.height, framesPerSecond });
  for (let index = 0; index < look.frames; index += 1) {
    await writer.add(painter.paint(index));
    await onFrame?.(index);
  }
  const bytes = await writer.finish();
  await writeFile(`${outputPath}.part`, bytes);
  await rename(`${outputPath}.part`, outputPath);
  return {
    path: outputPath,
    bytes: bytes.length,
    width: look.width,
    height: look.height,
    frames: look.frames,
    durationSeconds: look.frames / framesPerSecond,
  };
}
