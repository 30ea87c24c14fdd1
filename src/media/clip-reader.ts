/**
 * Decodes clips picture by picture. The count of decoded pictures is compared with the container's claim, because a cut
 * file opens and plays without an error.
 */
import { EncodedVideoChunk, VideoDecoder, type VideoFrame } from "@napi-rs/webcodecs";
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input, type InputVideoTrack } from "mediabunny";
import { MediaError } from "../core/errors.ts";

const microsecondsPerSecond = 1_000_000;

export interface DecodedPicture {
  /** The picture's place in display order, from 0. */
  readonly index: number;
  readonly width: number;
  readonly height: number;
  /** RGBA, so width × height × 4 bytes. */
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

/** A decoder that counts its pictures and keeps what went wrong; `close` may be called at any time. */
function createPictureDecoder(wants: (index: number) => boolean, take: (picture: DecodedPicture) => void) {
  let count = 0;
  let problem: unknown;
  let taken: Promise<void> = Promise.resolve();
  const hand = async (frame: VideoFrame, index: number): Promise<void> => {
    try {
      take(await picture(frame, index));
    } finally {
      frame.close();
    }
  };
  const decoder = new VideoDecoder({
    output: (frame) => {
      const index = count;
      count += 1;
      if (wants(index)) taken = taken.then(() => hand(frame, index));
      else frame.close();
    },
    error: (thrown) => {
      problem = thrown;
    },
  });
  return {
    decoder,
    /** How many pictures there were, once all of them have been handed out. */
    finish: async (): Promise<number> => {
      await decoder.flush();
      await taken;
      if (problem !== undefined)
        throw new MediaError("OUTPUT_INVALID", "The video cannot be decoded.", { cause: problem });
      return count;
    },
    close: async (): Promise<void> => {
      await Promise.allSettled([taken]);
      if (decoder.state !== "closed") decoder.close();
    },
  };
}

/** Counts the pictures that the container says it holds, whether their bytes are there or not. */
async function claimedCount(sink: EncodedPacketSink): Promise<number> {
  let count = 0;
  for await (const _ of sink.packets(undefined, undefined, { metadataOnly: true })) count += 1;
  return count;
}

/** Decodes every frame and hands out those that `wants` names. Throws MediaError OUTPUT_INVALID when it does not play whole. */
export async function readClip(
  bytes: Uint8Array,
  wants: (index: number) => boolean,
  take: (picture: DecodedPicture) => void,
): Promise<ClipFacts> {
  const track = await videoTrackOf(bytes);
  const config = await track.getDecoderConfig();
  if (config === null) throw new MediaError("OUTPUT_INVALID", "The video's codec is unknown.");
  const sink = new EncodedPacketSink(track);
  const pictures = createPictureDecoder(wants, take);
  try {
    pictures.decoder.configure(config as Parameters<VideoDecoder["configure"]>[0]);
    let durationSeconds = 0;
    for await (const packet of sink.packets()) {
      pictures.decoder.decode(
        new EncodedVideoChunk({
          type: packet.type,
          data: packet.data,
          timestamp: Math.round(packet.timestamp * microsecondsPerSecond),
          duration: Math.round(packet.duration * microsecondsPerSecond),
        }),
      );
      durationSeconds = Math.max(durationSeconds, packet.timestamp + packet.duration);
    }
    const frames = await pictures.finish();
    const claimed = await claimedCount(sink);
    if (frames < claimed)
      throw new MediaError("OUTPUT_INVALID", `The file is cut off: ${frames} of its ${claimed} pictures are there.`);
    return { width: track.displayWidth, height: track.displayHeight, frames, durationSeconds };
  } finally {
    await pictures.close();
  }
}
