/**
 * What the service needs of an encoder and a decoder. It runs in a child process, because a damaged file may end
 * whoever decodes it.
 */

export interface MediaFile {
  readonly path: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationSeconds: number;
}

export interface StandInOrder {
  readonly outputPath: string;
  readonly prompt: string;
  readonly model: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly framesPerSecond: number;
  /** Shown in the picture: why this is not the real video. */
  readonly reason: string;
}

export interface ArtifactProbe {
  readonly plays: boolean;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly durationSeconds: number;
  readonly isBlack: boolean;
  readonly isConstant: boolean;
  /** Why it does not play; null when it does. */
  readonly problem: string | null;
}

export interface UploadedImage {
  readonly bytes: Uint8Array;
  /** By its content: image/jpeg, image/png or image/webp. */
  readonly mimeType: string;
}

/** The media child. Calls reject with MediaError; the death of the child costs one retry inside the adapter. */
export interface Media {
  renderStandIn(order: StandInOrder): Promise<MediaFile>;
  /** Writes a JPEG of a real frame. */
  renderThumbnail(order: {
    readonly sourcePath: string;
    readonly outputPath: string;
    readonly width: number;
  }): Promise<void>;
  probe(path: string): Promise<ArtifactProbe>;
  /**
   * Decodes an uploaded picture whole. The end of a sentence that says what is wrong with it; null when nothing is.
   * Rejects with IMAGE_UNCHECKED where it cannot be decoded now, sound or not.
   */
  imageProblemOf(image: UploadedImage): Promise<string | null>;
  stop(): Promise<void>;
}
