import { describe, expect, it } from "vitest";
import type { PromiseReason } from "../../src/core/words.ts";
import { type ModeFacts, modeOf } from "../../src/recovery/mode.ts";

const serving: ModeFacts = {
  isStopping: false,
  because: "serving",
  isRendering: false,
  isRepairing: false,
  isReduced: false,
  hasOpenIncident: false,
};

describe("the mode of the service", () => {
  it.each<[string, Partial<ModeFacts>, string]>([
    ["ready while a worker serves", {}, "ready"],
    ["ready while one job is let through before all are", { because: "returning", hasOpenIncident: true }, "ready"],
    [
      "ready while a test render is asked for: nothing is wrong yet",
      { because: "checking", hasOpenIncident: true },
      "ready",
    ],
    ["loading when the main model is not ready and nothing is wrong", { because: "loading" }, "loading"],
    ["loading while the workers rest: they start when they are wanted", { because: "resting" }, "loading"],
    ["degraded when fewer workers serve than there are", { isReduced: true }, "degraded"],
    ["recovering when an incident works on the main model", { because: "repairing", isRepairing: true }, "recovering"],
    ["recovering while one worker is repaired and others serve", { isRepairing: true, isReduced: true }, "recovering"],
    ["degraded while the disk is full and a render is in hand", { because: "diskFull", isRendering: true }, "degraded"],
    ["draining before everything else", { isStopping: true, because: "stopped" }, "draining"],
    [
      "degraded when the main model is not there and an incident is open that nobody works on",
      { because: "loading", hasOpenIncident: true },
      "degraded",
    ],
  ])("is %s", (_sentence, change, mode) => {
    expect(modeOf({ ...serving, ...change })).toBe(mode);
  });

  it.each<PromiseReason>([
    "standingIn",
    "exhausted",
    "crashLooping",
    "stopped",
    "breakerOpen",
    "modelAside",
    "notOffered",
    "diskFull",
  ])("is mock when %s keeps real video away, whatever else holds", (because) => {
    expect(modeOf({ ...serving, because, isRepairing: true, hasOpenIncident: true })).toBe("mock");
  });
});
