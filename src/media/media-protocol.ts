/**
 * What passes between the service and its media children. Both sides come from one build, so the types are all the
 * checking there is.
 */
import type { ArtifactProbe, MediaFile, StandInOrder, UploadedImage } from "../core/ports/media.ts";

/** What the media child is asked, over its IPC channel. */
export type MediaRequest =
  | { readonly kind: "standIn"; readonly order: StandInOrder }
  | {
      readonly kind: "thumbnail";
      readonly order: { readonly sourcePath: string; readonly outputPath: string; readonly width: number };
    }
  | { readonly kind: "probe"; readonly path: string }
  | { readonly kind: "image"; readonly image: UploadedImage };

export type MediaValue = MediaFile | ArtifactProbe | string | null;

export interface MediaCall {
  readonly id: number;
  readonly request: MediaRequest;
}

export type MediaAnswer =
  | { readonly id: number; readonly kind: "done"; readonly value: MediaValue }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };
