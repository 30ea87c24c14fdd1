import { EncodedVideoChunk, VideoDecoder, type VideoFrame } from "@napi-rs/webcodecs";
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input, type InputVideoTrack } from "mediabunny";
import { MediaError } from "../core/errors.ts";

const microsecondsPerSecond = 1_000_000;

export interface DecodedPicture {
  /** 0-based, in display order. */
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** width × height × 4 bytes. */
  readonly pixels: Uint8Array;
}

export interface ClipFacts {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationSeconds: number;
}

async function picture(frame: VideoFrame, index: number): Promise<DecodedPicture> {
  const { codedWidth: width, codedHeight: height } = frame;
  const pixels = new Uint8Array(frame.allocationSize({ format: "RGBA" }));
  await frame.copyTo(pixels, { format: "RGBA" });
  return { index, width, height, pixels };
}

async function videoTrackOf(bytes: Uint8Array): Promise<InputVideoTrack> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(bytes) });
  const track = await input.getPrimaryVideoTrack();
  if (track === null) throw new MediaError("OUTPUT_INVALID", "The file holds no video track.");
  return track;
}

/** Decodes every frame and hands out those that `wants` names. Throws MediaError OUTPUT_INVALID when it does not play. */
export async function readClip(
  bytes: Uint8Array,
  wants: (index: number) => boolean,
  take: (picture: DecodedPicture) => void,
): Promise<ClipFacts> {
  const track = await videoTrackOf(bytes);
  const config = await track.getDecoderConfig();
  if (config === null) throw new MediaError("OUTPUT_INVALID", "The video's codec is unknown.");
  let frames = 0;
  let problem: unknown;
  let taken: Promise<void> = Promise.resolve();
  const decoder = new VideoDecoder({
    output: (frame) => {
      const index = frames;
      frames += 1;
      if (!wants(index)) {
        frame.close();
        return;
      }
      taken = taken.then(async () => {
        take(await picture(frame, index));
        frame.close();
      });
    },
    error: (thrown) => {
      problem = thrown;
    },
  });
  decoder.configure(config as Parameters<VideoDecoder["configure"]>[0]);
  let durationSeconds = 0;
  for await (const packet of new EncodedPacketSink(track).packets()) {
    decoder.decode(
      new EncodedVideoChunk({
        type: packet.type,
        data: packet.data,
        timestamp: Math.round(packet.timestamp * microsecondsPerSecond),
        duration: Math.round(packet.duration * microsecondsPerSecond),
      }),
    );
    durationSeconds = Math.max(durationSeconds, packet.timestamp + packet.duration);
  }
  await decoder.flush();
  await taken;
  decoder.close();
  if (problem !== undefined) throw new MediaError("OUTPUT_INVALID", "The video cannot be decoded.", { cause: problem });
  return { width: track.displayWidth, height: track.displayHeight, frames, durationSeconds };
}
