import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Media } from "../../src/core/ports/media.ts";
import { readImageClaim } from "../../src/media/image-claim.ts";
import { createMediaClient } from "../../src/media/media-client.ts";
import { clock } from "../harness/running-service.ts";
import { png } from "./server-world.ts";

let media: Media;
let spawned: number[];
let atBirth: (pid: number, life: number) => void;
beforeEach(() => {
  spawned = [];
  atBirth = () => undefined;
  media = createMediaClient({ clock, onSpawn: (pid) => atBirth(pid, spawned.push(pid)) });
});
afterEach(() => media.stop());

const kill = (pid: number): void => {
  process.kill(pid, "SIGKILL");
};
const whole = { bytes: png, mimeType: "image/png" };
/** 65535 x 65535 pixels in a few bytes. */
const bomb = (): Uint8Array => {
  const bytes = png.slice();
  new DataView(bytes.buffer).setUint32(16, 65_535);
  new DataView(bytes.buffer).setUint32(20, 65_535);
  return bytes;
};

describe("pictures before the media child", () => {
  it("are decoded in a life of their own, apart from clips", async () => {
    expect(await media.imageProblemOf(whole)).toBeNull();
    expect(await media.probe("/nowhere.mp4")).toMatchObject({ plays: false });
    expect(spawned).toHaveLength(2);
  });

  it("are refused by their claim alone where they would fill the memory, and cost no life", async () => {
    expect(await media.imageProblemOf({ ...whole, bytes: bomb() })).toBe(
      "has 65535x65535 pixels; at most 67108864 are taken",
    );
    expect(await media.imageProblemOf(whole)).toBeNull();
    expect(spawned).toHaveLength(1);
  });

  it("cost one retry when the child is killed, and are never taken unseen when it is killed again", async () => {
    atBirth = (pid, life) => life === 1 && kill(pid);
    expect(await media.imageProblemOf(whole)).toBeNull();
    atBirth = kill;
    kill(spawned[1] ?? 0);
    await expect(media.imageProblemOf(whole)).rejects.toMatchObject({ code: "IMAGE_UNCHECKED", retryable: true });
  });

  it("wait in a line of eight; the ninth is sent back at once, and the line goes on", async () => {
    const line = Array.from({ length: 8 }, () => media.imageProblemOf(whole));
    await expect(media.imageProblemOf(whole)).rejects.toMatchObject({ code: "IMAGE_UNCHECKED", retryable: true });
    expect(await Promise.all(line)).toEqual(Array(8).fill(null));
    expect(await media.imageProblemOf(whole)).toBeNull();
  });

  it("are not taken by a service that stops", async () => {
    await media.stop();
    await expect(media.imageProblemOf(whole)).rejects.toMatchObject({ code: "DRAINING" });
  });
});

const bytesOf = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part, "latin1")] : part)));
/** A frame header of 2 x 1 pixels, or of as many as are said. */
const frameHeader = (height = 1, width = 2): number[] => [
  0xff,
  0xc0,
  0,
  9,
  8,
  height >> 8,
  height & 255,
  width >> 8,
  width & 255,
  1,
  0,
];
const scan = [0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd0, 3];
const extended = (high: number): readonly (string | readonly number[])[] => [
  "VP8X",
  [10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, high],
];

describe("what an image claims", () => {
  it.each([
    [
      "a JPEG whose thumbnail has an end of its own",
      "image/jpeg",
      [[0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9], frameHeader(), scan, [0xff, 0xd9]],
      [2, 1],
    ],
    [
      "a JPEG with bytes after its end",
      "image/jpeg",
      [[0xff, 0xd8], frameHeader(), scan, [0xff, 0xff, 0xd9, 7, 7]],
      [2, 1],
    ],
    ["a JPEG without an end", "image/jpeg", [[0xff, 0xd8], frameHeader(), scan], null],
    ["a JPEG cut in its thumbnail's end", "image/jpeg", [[0xff, 0xd8, 0xff, 0xe1, 0, 9, 0xff, 0xd9]], null],
    [
      "a JPEG that is modest at first",
      "image/jpeg",
      [[0xff, 0xd8], frameHeader(), frameHeader(65_535, 65_535), scan, [0xff, 0xd9]],
      [65_535, 65_535],
    ],
    ["a JPEG without a frame", "image/jpeg", [[0xff, 0xd8, 0xff, 0xd9]], null],
    ["a PNG cut in its header", "image/png", [[...png.slice(0, 20)]], null],
    ["a WebP in the extended form", "image/webp", ["RIFF0000WEBP", ...extended(1)], [2, 65_537]],
    ["a lossy WebP", "image/webp", ["RIFF0000WEBPVP8 ", [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 44, 1, 200, 0]], [300, 200]],
    ["a lossless WebP", "image/webp", ["RIFF0000WEBPVP8L", [10, 0, 0, 0, 0x2f, 1, 0x80, 0, 0, 0, 0, 0, 0, 0]], [2, 3]],
    ["a WebP cut in its header", "image/webp", ["RIFF0000WEBPVP8 ", [10, 0, 0, 0, 0]], null],
  ] as const)("%s", (_, mimeType, parts, size) => {
    const expected = size === null ? null : { width: size[0], height: size[1] };
    expect(readImageClaim(bytesOf(...parts), mimeType)).toEqual(expected);
  });
});
