import { describe, expect, it } from "vitest";
import type { Fault } from "../../src/core/fault.ts";
import { minuteMs } from "../../src/core/units.ts";
import { faultClasses } from "../../src/recovery/fault-classes.ts";
import { type LoaderWorld, load } from "./model-loader-harness.ts";

/** What the loader says when it has had so long. */
async function faultOf(set: Partial<LoaderWorld>, waitMs: number): Promise<Fault | null> {
  const world = await load(set);
  await world.clock.advance(waitMs);
  return world.actor.getSnapshot().context.fault;
}

describe("a fault of the loader is what the table of classes says", () => {
  // It once said MODEL_NOT_AVAILABLE of every step that stood still or was rejected.
  it.each([
    ["a look at the files that stands still", { resolution: "hangs" }, minuteMs, "stall"],
    ["a load that stands still", {}, 5 * minuteMs, "stall"],
    ["a step that is rejected, nobody knows why", { resolution: "fails" }, 0, "unknown"],
  ] as const)("%s", async (_, set, waitMs, faultClass) => {
    const { code, attribution, retryable } = faultClasses[faultClass];
    expect(await faultOf(set, waitMs)).toMatchObject({
      faultClass,
      code,
      attribution,
      retryable,
      failureType: "model_loading_failure",
    });
  });
});
