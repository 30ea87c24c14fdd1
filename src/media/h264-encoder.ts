/**
 * Encodes pictures as H.264 into an MP4 that every browser plays. Stand-ins and simulated clips are written through it.
 */
import { type EncodedVideoChunk, VideoEncoder, type VideoEncoderConfig, VideoFrame } from "@napi-rs/webcodecs";
import { BufferTarget, EncodedPacket, EncodedVideoPacketSource, Mp4OutputFormat, Output } from "mediabunny";
import { MediaError } from "../core/errors.ts";
import { sizeText } from "../core/pixel-size.ts";

export interface ClipShape {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

/** Takes RGBA pictures one by one and gives a whole MP4. */
export interface ClipWriter {
  /** Adds a picture: RGBA, so width × height × 4 bytes. */
  add(pixels: Uint8Array): Promise<void>;
  finish(): Promise<Uint8Array>;
  /** Gives the encoder back without a file, for a clip that is given up half-way. */
  abandon(): Promise<void>;
}

/** H.264 Baseline at level 4.2 is what every browser and player decodes, up to 1920x1088. */
const codec = "avc1.42002a";
const keyFrameEvery = 16;
/** At so many bits a pixel and frame text stays legible, and a 480p clip of five seconds has about 1 MB. */
const bitsPerPixel = 0.2;
const microsecondsPerSecond = 1_000_000;

function toPacket(chunk: EncodedVideoChunk, framesPerSecond: number): EncodedPacket {
  const bytes = new Uint8Array(chunk.byteLength);
  chunk.copyTo(bytes);
  return new EncodedPacket(bytes, chunk.type, chunk.timestamp / microsecondsPerSecond, 1 / framesPerSecond);
}

function configOf({ width, height, framesPerSecond }: ClipShape): VideoEncoderConfig {
  return {
    codec,
    width,
    height,
    framerate: framesPerSecond,
    bitrate: Math.max(200_000, Math.round(width * height * framesPerSecond * bitsPerPixel)),
    latencyMode: "realtime",
    avc: { format: "avc" },
  };
}

/** The `index`-th picture of a clip, as the encoder takes it. */
function toFrame(pixels: Uint8Array, { width, height, framesPerSecond }: ClipShape, index: number): VideoFrame {
  return new VideoFrame(pixels, {
    format: "RGBA",
    codedWidth: width,
    codedHeight: height,
    timestamp: Math.round((index * microsecondsPerSecond) / framesPerSecond),
    duration: Math.round(microsecondsPerSecond / framesPerSecond),
  });
}

/** The port behind which the encoder is chosen; width and height must be even. Throws MediaError when it cannot encode. */
export async function createClipWriter(shape: ClipShape): Promise<ClipWriter> {
  const { width, height, framesPerSecond } = shape;
  if (width % 2 !== 0 || height % 2 !== 0) {
    throw new MediaError("OUTPUT_INVALID", `H.264 takes even sizes only, not ${sizeText({ width, height })}.`);
  }
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
  const source = new EncodedVideoPacketSource("avc");
  output.addVideoTrack(source, { frameRate: framesPerSecond });
  await output.start();

  let written: Promise<void> = Promise.resolve();
  let problem: unknown;
  let isAbandoned = false;
  const encoder = new VideoEncoder({
    output: (chunk, metadata) => {
      const packet = toPacket(chunk, framesPerSecond);
      written = written.then(() =>
        isAbandoned ? undefined : source.add(packet, metadata as EncodedVideoChunkMetadata | undefined),
      );
    },
    error: (thrown) => {
      problem = thrown;
    },
  });
  encoder.configure(configOf(shape));
  let count = 0;
  const check = (): void => {
    if (problem !== undefined) throw new MediaError("OUTPUT_INVALID", "The encoder failed.", { cause: problem });
  };
  return {
    add: async (pixels) => {
      check();
      const frame = toFrame(pixels, shape, count);
      encoder.encode(frame, { keyFrame: count % keyFrameEvery === 0 });
      frame.close();
      count += 1;
      await written;
    },
    finish: async () => {
      await encoder.flush();
      await written;
      check();
      encoder.close();
      await output.finalize();
      if (target.buffer === null) throw new MediaError("OUTPUT_INVALID", "The container could not be finished.");
      return new Uint8Array(target.buffer);
    },
    abandon: async () => {
      isAbandoned = true;
      if (encoder.state !== "closed") encoder.close();
      await Promise.allSettled([written]);
      await output.cancel();
    },
  };
}
