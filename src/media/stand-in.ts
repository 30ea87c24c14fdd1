/** The look of a stand-in: stripes, the word itself and the reason, so that nobody can take it for the real video. */
import type { MediaFile, StandInOrder } from "../core/ports/media.ts";
import { renderClip } from "./render-clip.ts";

/** The clip that goes on while the real one cannot: its own look, the words STAND-IN, and the reason. */
export function renderStandIn(order: StandInOrder): Promise<MediaFile> {
  const { width, height, frames, prompt, model, reason, framesPerSecond, outputPath } = order;
  const facts = ["Not the real video.", `Why: ${reason}`, `asked of ${model}`];
  return renderClip({
    outputPath,
    framesPerSecond,
    look: { width, height, frames, headline: "STAND-IN", prompt, facts, hue: 45, isStriped: true, isBlack: false },
  });
}
