import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ffmpeg from "@ffmpeg-installer/ffmpeg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StandInOrder } from "../../src/core/ports/media.ts";
import { probeArtifact } from "../../src/media/artifact-probe.ts";
import { type ClipLook, createFramePainter } from "../../src/media/frame-painter.ts";
import { createBlockLettering } from "../../src/media/lettering.ts";
import { renderClip } from "../../src/media/render-clip.ts";
import { renderStandIn } from "../../src/media/stand-in.ts";
import { renderThumbnail } from "../../src/media/thumbnail.ts";

const size = { width: 320, height: 192 };
const real: ClipLook = {
  ...size,
  frames: 9,
  headline: "SIMULATED",
  prompt: "a red fox",
  facts: [],
  hue: 45,
  isStriped: false,
  isBlack: false,
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "understudy-pictures-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const standInOrder = (): StandInOrder => ({
  ...size,
  frames: 9,
  framesPerSecond: 16,
  outputPath: join(directory, "stand-in.mp4"),
  prompt: "a red fox",
  model: "T2V-A14B",
  reason: "the worker was killed",
});

/** RGB bytes of the first picture, decoded by ffmpeg. */
function firstPicture(path: string): Buffer {
  const args = ["-v", "error", "-xerror", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
  return execFileSync(ffmpeg.path, args, { maxBuffer: 64 * 1024 * 1024 });
}

/** Pixels whose brightness differs clearly. */
function differingCount(a: Uint8Array, b: Uint8Array, channels: number): number {
  let count = 0;
  for (let at = 0; at < a.length; at += channels) if (Math.abs((a[at] ?? 0) - (b[at] ?? 0)) > 60) count += 1;
  return count;
}

describe("a painted picture", () => {
  const pictureOf = (change: Partial<ClipLook>, index = 0): Uint8Array =>
    createFramePainter({ ...real, ...change }).paint(index);

  it("is the same for the same look and index, and moves with the index", () => {
    expect(Buffer.from(pictureOf({}, 3)).equals(pictureOf({}, 3))).toBe(true);
    expect(Buffer.from(pictureOf({}, 3)).equals(pictureOf({}, 4))).toBe(false);
  });

  it.each([
    ["the headline", { headline: "" }, 300],
    ["the prompt", { prompt: "" }, 40],
    ["a fact", { facts: ["asked of T2V-A14B"] }, 40],
  ])("shows the letters of %s as pixels, not only as a wish to a missing font", (_what, change, leastCount) => {
    expect(differingCount(pictureOf({}), pictureOf(change), 4)).toBeGreaterThan(leastCount);
  });

  it("on a host without any font it writes in letters of its own: each word is another picture", () => {
    const blockOf = (change: Partial<ClipLook>): Uint8Array =>
      createFramePainter({ ...real, ...change }, createBlockLettering).paint(0);
    const headlines = ["SIMULATED", "STAND-IN", ""].map((headline) => blockOf({ headline }));
    for (const [a = 0, b = 0] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ])
      expect(differingCount(headlines[a] ?? new Uint8Array(), headlines[b] ?? new Uint8Array(), 4)).toBeGreaterThan(
        300,
      );
    expect(differingCount(blockOf({}), blockOf({ prompt: "" }), 4)).toBeGreaterThan(40);
  });

  it("keeps a long prompt inside the picture", () => {
    const long = pictureOf({ prompt: "fox ".repeat(400) });
    expect(differingCount(long, pictureOf({ prompt: `${"fox ".repeat(400)}and more` }), 4)).toBe(0);
  });
});

describe("a stand-in", () => {
  it("plays, in ffmpeg too, at the size and length that were ordered", async () => {
    const order = standInOrder();
    expect(await renderStandIn(order)).toMatchObject({ ...size, frames: 9, durationSeconds: 9 / 16 });
    expect(await probeArtifact(order.outputPath)).toMatchObject({
      plays: true,
      ...size,
      frames: 9,
      isBlack: false,
      isConstant: false,
    });
    expect(firstPicture(order.outputPath)).toHaveLength(size.width * size.height * 3);
  });

  it("is told from a real clip at a glance: yellow and black stripes at both edges, and other words", async () => {
    const order = standInOrder();
    await renderStandIn(order);
    const realPath = join(directory, "real.mp4");
    await renderClip({ outputPath: realPath, look: real, framesPerSecond: 16 });
    const standIn = firstPicture(order.outputPath);
    const clip = firstPicture(realPath);
    const yellowCount = (picture: Buffer, fromRow: number, toRow: number): number => {
      let count = 0;
      for (let at = fromRow * size.width * 3; at < toRow * size.width * 3; at += 3) {
        const [red = 0, green = 0, blue = 0] = picture.subarray(at, at + 3);
        if (red > 190 && green > 140 && blue < 90) count += 1;
      }
      return count;
    };
    const bandRows = Math.floor(size.height * 0.09);
    for (const [from, to] of [
      [0, bandRows],
      [size.height - bandRows, size.height],
    ] as const) {
      expect(yellowCount(standIn, from, to)).toBeGreaterThan(bandRows * size.width * 0.25);
      expect(yellowCount(clip, from, to)).toBe(0);
    }
    const middle = (picture: Buffer): Buffer =>
      picture.subarray(bandRows * size.width * 3, (size.height - bandRows) * size.width * 3);
    expect(differingCount(middle(standIn), middle(clip), 3)).toBeGreaterThan(300);
  });

  it("shows why: another reason is another picture", async () => {
    const order = standInOrder();
    await renderStandIn(order);
    const first = firstPicture(order.outputPath);
    await renderStandIn({ ...order, reason: "the card is out of memory" });
    expect(differingCount(first, firstPicture(order.outputPath), 3)).toBeGreaterThan(20);
  });
});

describe("a thumbnail", () => {
  it("is a JPEG that another program decodes, of the ordered width, showing a frame of the clip", async () => {
    const sourcePath = join(directory, "source.mp4");
    const outputPath = join(directory, "thumbnail.jpg");
    await renderClip({ outputPath: sourcePath, look: real, framesPerSecond: 16 });
    await renderThumbnail({ sourcePath, outputPath, width: 160 });
    expect([...readFileSync(outputPath).subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
    const picture = firstPicture(outputPath);
    expect(picture).toHaveLength(160 * 96 * 3);
    expect(new Set(picture).size, "many shades, so no blank").toBeGreaterThan(50);
  });

  it("is refused for a file that is no video, and leaves nothing", async () => {
    const outputPath = join(directory, "none.jpg");
    await expect(
      renderThumbnail({ sourcePath: new URL(import.meta.url).pathname, outputPath, width: 160 }),
    ).rejects.toThrow();
    expect(() => readFileSync(outputPath)).toThrow("ENOENT");
  });
});
