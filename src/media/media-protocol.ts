import type { ArtifactProbe, MediaFile, StandInOrder } from "../core/ports/media.ts";

/** What the media child is asked, over its IPC channel. */
export type MediaRequest =
  | { readonly kind: "standIn"; readonly order: StandInOrder }
  | { readonly kind: "thumbnail"; readonly order: { readonly sourcePath: string; readonly outputPath: string; readonly width: number } }
  | { readonly kind: "probe"; readonly path: string };

export interface MediaCall {
  readonly id: number;
  readonly request: MediaRequest;
}

export type MediaAnswer =
  | { readonly id: number; readonly kind: "done"; readonly value: MediaFile | ArtifactProbe | null }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };
