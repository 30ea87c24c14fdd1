/** Pause, drain and resume on the wire. */
import { z } from "zod";

export const intakeSchema = z
  .strictObject({
    paused: z.boolean(),
    /** True while submissions are refused; what was accepted is rendered all the same. */
    drained: z.boolean(),
    /** Workers that have ended, so that their card is free. */
    resting_workers: z.array(z.string()),
    /** Workers that still hold their card. */
    holding_workers: z.array(z.string()),
    message: z.string(),
  })
  .meta({ id: "Intake" });

export interface IntakeFacts {
  readonly isPaused: boolean;
  readonly isDrained: boolean;
  readonly restingWorkers: readonly string[];
  readonly holdingWorkers: readonly string[];
}

function messageOf({ isPaused, isDrained, holdingWorkers }: IntakeFacts, isReleasing: boolean): string {
  if (isDrained)
    return isPaused
      ? "Drained and paused: nothing new is taken, and what was accepted waits for a resume."
      : "Drained: nothing new is taken; what was accepted is rendered.";
  if (!isPaused) return "Jobs are taken again.";
  if (!isReleasing) return "Paused: what is submitted is kept, and rendered after a resume.";
  return holdingWorkers.length === 0
    ? "Paused, and every card is free."
    : `Paused; ${holdingWorkers.join(", ")} gives its card back when its work, or the repair under way, has ended.`;
}

export const toIntake = (facts: IntakeFacts, isReleasing: boolean): z.infer<typeof intakeSchema> => ({
  paused: facts.isPaused,
  drained: facts.isDrained,
  resting_workers: [...facts.restingWorkers],
  holding_workers: [...facts.holdingWorkers],
  message: messageOf(facts, isReleasing),
});
