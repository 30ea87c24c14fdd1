import { describe, expect, it } from "vitest";
import { type ModeFacts, modeOf } from "../../src/recovery/mode.ts";

const serving: ModeFacts = {
  isDraining: false,
  hasRealRoute: true,
  isRecoveringLead: false,
  isReduced: false,
  isLeadReady: true,
  hasOpenIncident: false,
  hasLeadProofPassed: true,
};

describe("the mode of the service", () => {
  it.each<[string, Partial<ModeFacts>, string]>([
    ["ready when the main model serves and its last proof passed", {}, "ready"],
    ["loading when the main model is not ready and nothing is wrong", { isLeadReady: false }, "loading"],
    ["degraded when the next job would be real in another way", { isReduced: true }, "degraded"],
    ["recovering when an incident works on the main model", { isRecoveringLead: true, isReduced: true }, "recovering"],
    [
      "mock when no route gives real output, whatever else holds",
      { hasRealRoute: false, isRecoveringLead: true },
      "mock",
    ],
    ["draining before everything else", { isDraining: true, hasRealRoute: false }, "draining"],
    ["degraded, never ready, when the main model is there but unproven", { hasLeadProofPassed: false }, "degraded"],
    [
      "degraded when the lead is down and an incident is open that nobody works on",
      { isLeadReady: false, hasOpenIncident: true },
      "degraded",
    ],
  ])("is %s", (_sentence, change, mode) => {
    expect(modeOf({ ...serving, ...change })).toBe(mode);
  });
});
