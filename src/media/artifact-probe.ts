/** Decodes a clip whole and samples its pictures, in the media child. The check of results rests on these facts. */
import { readFile } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import type { ArtifactProbe } from "../core/ports/media.ts";
import { type DecodedPicture, readClip } from "./clip-reader.ts";

/** Every eighth picture is looked at, and the first two: a clip that moves shows it there. */
const sampleEvery = 8;
/** Mean luma (0..255) below which a picture is black; x264's black is 16 in limited range, 0 after conversion. */
const blackLuma = 4;
/** Mean absolute difference of luma below which two pictures are the same; encoder noise stays under it. */
const sameLuma = 0.15;

/** Reads the luma of every 16th pixel (BT.601 weights). */
function lumaOf({ pixels }: DecodedPicture): Float32Array {
  const luma = new Float32Array(Math.ceil(pixels.length / 64));
  for (let index = 0, at = 0; at < pixels.length; index += 1, at += 64) {
    luma[index] = 0.299 * (pixels[at] ?? 0) + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
  }
  return luma;
}

const meanOf = (values: Float32Array): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function differenceOf(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += Math.abs((a[index] ?? 0) - (b[index] ?? 0));
  return sum / Math.max(1, a.length);
}

const unplayable = (problem: string): ArtifactProbe => ({
  plays: false,
  width: 0,
  height: 0,
  frames: 0,
  durationSeconds: 0,
  isBlack: false,
  isConstant: false,
  problem,
});

/** Decodes the whole file: what plays here was really decoded, not only opened. */
export async function probeArtifact(path: string): Promise<ArtifactProbe> {
  const lumas: Float32Array[] = [];
  try {
    const facts = await readClip(
      await readFile(path),
      (index) => index < 2 || index % sampleEvery === 0,
      (picture) => lumas.push(lumaOf(picture)),
    );
    if (facts.frames === 0) return unplayable("it holds no picture");
    const first = lumas[0] ?? new Float32Array();
    const isConstant = facts.frames > 1 && lumas.slice(1).every((luma) => differenceOf(first, luma) < sameLuma);
    return {
      plays: true,
      ...facts,
      isBlack: lumas.every((luma) => meanOf(luma) < blackLuma),
      isConstant,
      problem: null,
    };
  } catch (thrown) {
    return unplayable(messageOf(thrown));
  }
}
