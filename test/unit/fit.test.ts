import { describe, expect, it } from "vitest";
import type { Consent, RenderRequest } from "../../src/core/job.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { peakBytes } from "../../src/core/model-figures.ts";
import { gibibyte } from "../../src/core/units.ts";
import type { LoadProfile } from "../../src/core/words.ts";
import { type FitQuestion, findFit, findSmaller, profilesFrom } from "../../src/jobs/fit.ts";

const catalog = createModelCatalog();
const request: RenderRequest = {
  model: "T2V-A14B",
  prompt: "a heron",
  width: 1280,
  height: 720,
  frames: 81,
  framesPerSecond: 16,
  steps: 40,
  seed: 1,
  loraPath: null,
  loraStrength: 1,
};
const nothingAllowed: Consent = { fallback: "wait", allow: [], floor: null };

function question(cardGib: number, change: Partial<FitQuestion> = {}): FitQuestion {
  return {
    request,
    consent: nothingAllowed,
    alternative: catalog.entryOf("TI2V-5B"),
    profiles: profilesFrom("model-offload"),
    resident: null,
    fits: (candidate, profile) => peakBytes(catalog.entryOf(candidate.model), candidate, profile) <= cardGib * gibibyte,
    ...change,
  };
}

describe("how a job is rendered", () => {
  it("is as it was asked, in the preferred memory mode, where that fits", () => {
    expect(findFit(question(80))).toEqual({ request, profile: "model-offload", changes: [] });
  });

  it("takes a leaner memory mode before anything of the job is changed", () => {
    const fit = findFit(question(40, { consent: { ...nothingAllowed, allow: ["frames", "resolution"] } }));
    expect(fit).toMatchObject({ request, changes: [] });
    expect(profilesFrom("tiling")).toContain(fit?.profile);
  });

  it("stays in the memory mode that is loaded while it fits, also when it is leaner than preferred", () => {
    expect(findFit(question(80, { resident: { model: "T2V-A14B", profile: "group-offload" } }))?.profile).toBe(
      "group-offload",
    );
    expect(findFit(question(80, { resident: { model: "TI2V-5B", profile: "group-offload" } }))?.profile).toBe(
      "model-offload",
    );
  });

  it("is nothing when nothing fits and nothing may be changed", () => {
    expect(findFit(question(20))).toBeNull();
  });

  it.each([
    ["frames", ["frames"], { width: 1280, height: 720 }],
    ["size", ["resolution"], { frames: 81 }],
    ["both, frames first", ["frames", "resolution"], { width: 1280, height: 720 }],
  ] as const)("changes only what the job allows: %s", (_, allow, kept) => {
    const fit = findFit(question(24, { consent: { ...nothingAllowed, allow } }));
    expect(fit?.request).toMatchObject({ ...kept, model: "T2V-A14B", steps: 40, seed: 1, prompt: "a heron" });
    expect(fit?.changes.length).toBeGreaterThan(0);
    for (const { field, from, to } of fit?.changes ?? [])
      expect([from, to]).toEqual([request[field as "width"], fit?.request[field as "width"]]);
  });

  it("never goes below the floor", () => {
    const floor = { width: 1280, height: 720, frames: 65 };
    expect(
      findFit(question(21, { consent: { ...nothingAllowed, allow: ["frames", "resolution"], floor } })),
    ).toBeNull();
  });

  it("takes the alternative model last, and says so", () => {
    const fit = findFit(question(19, { consent: { ...nothingAllowed, allow: ["alternative_model"] } }));
    expect(fit?.request.model).toBe("TI2V-5B");
    expect(fit?.changes).toContainEqual(expect.objectContaining({ field: "model", from: "T2V-A14B", to: "TI2V-5B" }));
  });

  it("names what would fit if everything were allowed", () => {
    const suggested = findSmaller(question(24))?.request ?? null;
    expect(suggested).not.toBeNull();
    expect(findSmaller(question(24, { fits: () => false }))).toBeNull();
    const leanest: LoadProfile = "fp8";
    expect(
      peakBytes(catalog.entryOf(suggested?.model ?? "T2V-A14B"), suggested ?? request, leanest),
    ).toBeLessThanOrEqual(24 * gibibyte);
  });
});
