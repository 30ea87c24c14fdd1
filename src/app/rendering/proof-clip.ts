/**
 * The proof behind the ladders' last rung. Recovery may say that stand-ins serve only after one was made and decoded
 * here.
 */
import { messageOf } from "../../core/errors.ts";
import type { ArtifactFiles } from "../../core/ports/artifact-files.ts";
import type { Media } from "../../core/ports/media.ts";
import type { StandInAnswer } from "../../machines/recovery-types.ts";

/** Proves that stand-ins can be made here and play; what each job gets is made for it by the stand-in dispatcher. */
export interface ProofClip {
  prove(): Promise<StandInAnswer>;
}

const clip = { width: 320, height: 180, frames: 9, framesPerSecond: 8 } as const;

export function createProofClip(media: Media, artifacts: ArtifactFiles): ProofClip {
  let count = 0;
  return {
    prove: async () => {
      count += 1;
      const outputPath = artifacts.stagingPath("stand-in-proof", count, "stand_in");
      try {
        await media.renderStandIn({
          outputPath,
          prompt: "",
          model: "stand-in",
          ...clip,
          reason: "the main model is being repaired",
        });
        const { plays, problem } = await media.probe(outputPath);
        return { plays, reason: problem ?? "a stand-in was rendered and plays" };
      } catch (thrown) {
        return { plays: false, reason: messageOf(thrown) };
      } finally {
        await artifacts.discardStaged(outputPath);
      }
    },
  };
}
