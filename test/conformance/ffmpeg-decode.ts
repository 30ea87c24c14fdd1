/** Decodes results of conformance checks with ffmpeg: a file that only our own decoder plays would not count. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import ffmpeg from "@ffmpeg-installer/ffmpeg";
import type { Decode } from "../../src/workers/conformance/subject.ts";

const run = promisify(execFile);
const limitMs = 30_000;

/** Decodes every frame with ffmpeg, which shares no code path with the encoder's container; one line a frame. */
export const decodeWithFfmpeg: Decode = async (path) => {
  const { stdout } = await run(
    ffmpeg.path,
    ["-v", "error", "-xerror", "-i", path, "-map", "0:v:0", "-f", "framemd5", "-"],
    {
      timeout: limitMs,
    },
  );
  const size = /^#dimensions 0: (\d+)x(\d+)$/m.exec(stdout);
  const frames = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  return { width: Number(size?.[1]), height: Number(size?.[2]), frames };
};
