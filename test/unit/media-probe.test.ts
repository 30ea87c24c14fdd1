import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RenderRequest } from "../../src/core/job.ts";
import { findOutputProblem } from "../../src/jobs/check-artifact.ts";
import { probeArtifact } from "../../src/media/artifact-probe.ts";
import type { ClipLook } from "../../src/media/frame-painter.ts";
import { createClipWriter } from "../../src/media/h264-encoder.ts";
import { renderClip } from "../../src/media/render-clip.ts";

const look: ClipLook = {
  width: 320,
  height: 192,
  frames: 25,
  headline: "SIMULATED",
  prompt: "a red fox",
  facts: ["T2V-A14B"],
  hue: 10,
  isStriped: false,
  isBlack: false,
};
const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: "a red fox",
  width: 320,
  height: 192,
  frames: 25,
  framesPerSecond: 16,
  steps: 8,
  seed: 1,
  loraPath: null,
  loraStrength: 1,
};

let directory: string;
let goodPath: string;
let good: Buffer;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "understudy-media-"));
  goodPath = join(directory, "good.mp4");
  await renderClip({ outputPath: goodPath, look, framesPerSecond: 16 });
  good = readFileSync(goodPath);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const pathOf = (name: string): string => join(directory, `${name}.mp4`);
function written(name: string, bytes: Buffer | string): string {
  writeFileSync(pathOf(name), bytes);
  return pathOf(name);
}

async function clipOf(name: string, frames: number, levelOf: (index: number) => number): Promise<string> {
  const writer = await createClipWriter({ width: 64, height: 64, framesPerSecond: 16 });
  for (let index = 0; index < frames; index += 1) await writer.add(new Uint8Array(64 * 64 * 4).fill(levelOf(index)));
  return written(name, Buffer.from(await writer.finish()));
}

describe("the check of a rendered file", () => {
  it("finds nothing wrong with a clip that moves, and measures it", async () => {
    const probe = await probeArtifact(goodPath);
    expect(probe).toEqual({
      plays: true,
      width: 320,
      height: 192,
      frames: 25,
      durationSeconds: 25 / 16,
      isBlack: false,
      isConstant: false,
      problem: null,
    });
    expect(findOutputProblem(probe, request)).toBeNull();
  });

  it.each([0.99, 0.6, 0.3, 0.05, 0.01])(
    "refuses a file that was cut off at %d of its length, although its head promises all",
    async (ratio) => {
      const probe = await probeArtifact(written(`cut-${ratio}`, good.subarray(0, Math.floor(good.length * ratio))));
      expect(probe.plays).toBe(false);
      expect(findOutputProblem(probe, request)).toMatch(/^does not play: ./);
    },
  );

  it.each([
    ["an empty file", ""],
    ["a text", "this is not a video"],
    ["a picture of another kind", "\u0089PNG\r\n\u001a\n"],
  ])("refuses %s", async (name, content) => {
    expect(await probeArtifact(written(name, content))).toMatchObject({
      plays: false,
      problem: expect.stringMatching(/./),
    });
  });

  it("refuses a file whose pictures were overwritten in the middle", async () => {
    const damaged = Buffer.from(good);
    const middle = Math.floor(good.length / 2);
    for (let at = middle; at < middle + 2_000; at += 1) damaged[at] = (damaged[at] ?? 0) ^ 0x5a;
    expect((await probeArtifact(written("damaged", damaged))).plays).toBe(false);
  });

  it("says that a file is missing, and does not throw", async () => {
    expect(await probeArtifact(pathOf("missing"))).toMatchObject({
      plays: false,
      problem: expect.stringContaining("ENOENT"),
    });
  });

  it("finds a black clip, although it plays", async () => {
    await renderClip({ outputPath: pathOf("black"), look: { ...look, isBlack: true }, framesPerSecond: 16 });
    const probe = await probeArtifact(pathOf("black"));
    expect(probe).toMatchObject({ plays: true, isBlack: true });
    expect(findOutputProblem(probe, request)).toBe("is black in every sampled frame");
  });

  it("finds a clip that stands still, and lets a single picture stand", async () => {
    expect(await probeArtifact(await clipOf("still", 17, () => 120))).toMatchObject({
      plays: true,
      isBlack: false,
      isConstant: true,
    });
    expect(await probeArtifact(await clipOf("single", 1, () => 120))).toMatchObject({
      plays: true,
      frames: 1,
      isConstant: false,
    });
  });

  it("is not deceived by a dark clip that moves, nor by one that moves only late", async () => {
    expect(await probeArtifact(await clipOf("dark", 17, (index) => 12 + index))).toMatchObject({
      isBlack: false,
      isConstant: false,
    });
    expect(await probeArtifact(await clipOf("late", 17, (index) => (index === 16 ? 200 : 120)))).toMatchObject({
      isConstant: false,
    });
  });

  it.each([
    [{ width: 336 }, "is 320x192, asked was 336x192"],
    [{ height: 208 }, "is 320x192, asked was 320x208"],
    [{ frames: 81 }, "has 25 frames, asked was 81"],
  ])("refuses a playing file that differs from %o", async (asked, problem) => {
    expect(findOutputProblem(await probeArtifact(goodPath), { ...request, ...asked })).toBe(problem);
  });
});

describe("the encoder", () => {
  it("refuses odd sizes with a sentence", async () => {
    await expect(createClipWriter({ width: 321, height: 192, framesPerSecond: 16 })).rejects.toThrow(
      "even sizes only, not 321x192",
    );
  });

  it("leaves no file, whole or in part, of a clip that was given up half-way", async () => {
    const outputPath = pathOf("given-up");
    const giveUp = (index: number): void => {
      if (index === 10) throw new Error("enough");
    };
    await expect(renderClip({ outputPath, look, framesPerSecond: 16, onFrame: giveUp })).rejects.toThrow("enough");
    expect(() => readFileSync(outputPath)).toThrow("ENOENT");
    expect(() => readFileSync(`${outputPath}.part`)).toThrow("ENOENT");
  });
});
