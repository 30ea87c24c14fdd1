/**
 * The service's way to the media children. The supervisor loads no native codec itself, so a crash in one costs a retry
 * and not the service.
 */
import { MediaError } from "../core/errors.ts";
import type { ArtifactProbe, Media, MediaFile, UploadedImage } from "../core/ports/media.ts";
import { present } from "../core/present.ts";
import { minuteMs, secondMs } from "../core/units.ts";
import { createMediaQueue, type MediaClientOptions, type MediaQueue } from "./media-queue.ts";

/** A 720p clip of five seconds decodes in a few seconds on one busy core. */
const clipLimitMs = 2 * minuteMs;
/** The largest picture decodes in two seconds on one core, and all that may wait before it in sixteen. */
const imageLimitMs = 30 * secondMs;
const waitingImageCount = 8;

const unchecked = (detail: string, cause?: unknown): MediaError =>
  new MediaError("IMAGE_UNCHECKED", `${detail} Nothing was accepted; send it again.`, {
    retryable: true,
    ...present({ cause }),
  });

/** Uploaded pictures are decoded apart from clips: none waits for a stand-in, and one that ends the decoder ends no clip. */
function createImageChecker(queue: MediaQueue): Media["imageProblemOf"] {
  let waiting = 0;
  return async (image: UploadedImage) => {
    if (waiting >= waitingImageCount) throw unchecked("Too many pictures wait to be decoded.");
    waiting += 1;
    try {
      return (await queue.call({ kind: "image", image })) as string | null;
    } catch (thrown) {
      if (!(thrown instanceof MediaError) || thrown.code === "DRAINING") throw thrown;
      throw unchecked("The picture could not be decoded: its decoder ended or did not answer in time.", thrown);
    } finally {
      waiting -= 1;
    }
  };
}

/** Starts a media child when it is needed. This module loads no media code itself. */
export function createMediaClient(options: MediaClientOptions): Media {
  const clips = createMediaQueue(options, clipLimitMs);
  const images = createMediaQueue(options, imageLimitMs);
  return {
    renderStandIn: async (order) => (await clips.call({ kind: "standIn", order })) as MediaFile,
    renderThumbnail: async (order) => {
      await clips.call({ kind: "thumbnail", order });
    },
    probe: async (path) => (await clips.call({ kind: "probe", path })) as ArtifactProbe,
    imageProblemOf: createImageChecker(images),
    stop: async () => {
      await Promise.all([clips.stop(), images.stop()]);
    },
  };
}
