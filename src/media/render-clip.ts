/**
 * Paints, encodes and writes a clip. The file gets its name only when it is whole, so nobody can pick up half of one.
 */
import { rename, writeFile } from "node:fs/promises";
import type { MediaFile } from "../core/ports/media.ts";
import { type ClipLook, createFramePainter, type FramePainter } from "./frame-painter.ts";
import { type ClipWriter, createClipWriter } from "./h264-encoder.ts";

export interface ClipOrder {
  readonly outputPath: string;
  readonly look: ClipLook;
  readonly framesPerSecond: number;
  /** Called after each picture; may throw to end the work. */
  readonly onFrame?: (index: number) => void | Promise<void>;
}

async function encode(writer: ClipWriter, painter: FramePainter, { look, onFrame }: ClipOrder): Promise<Uint8Array> {
  try {
    for (let index = 0; index < look.frames; index += 1) {
      await writer.add(painter.paint(index));
      await onFrame?.(index);
    }
    return await writer.finish();
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
}

/** Paints and encodes a clip; the file appears under its name only when it is whole. */
export async function renderClip(order: ClipOrder): Promise<MediaFile> {
  const { outputPath, look, framesPerSecond } = order;
  const painter = createFramePainter(look);
  const writer = await createClipWriter({ width: look.width, height: look.height, framesPerSecond });
  const bytes = await encode(writer, painter, order);
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
