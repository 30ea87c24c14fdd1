import { describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { gibibyte } from "../../src/core/units.ts";
import { type LoadProfile, loadProfiles } from "../../src/core/words.ts";
import { clipTimeOf, emptyClips, noteClip } from "../../src/recovery/clip-time.ts";
import { emptyEnvelopes, notePeak } from "../../src/recovery/envelopes.ts";
import {
  clipTimeSentence,
  durationWords,
  placementSentence,
  refusalSentence,
} from "../../src/recovery/fit-sentences.ts";
import { type DeviceFacts, findInstead, type MachineFacts, placeModel } from "../../src/recovery/placement.ts";

const { entries, entryOf } = createModelCatalog();
const t2v = entryOf("T2V-A14B");

/** What the Python worker offers on a card. */
const offered: readonly LoadProfile[] = ["model-offload", "tiling", "group-offload"];

const card = (name: string, gib: number | null): DeviceFacts => ({
  kind: "card",
  uuid: "GPU-1",
  name,
  totalBytes: gib === null ? null : gib * gibibyte,
  isSimulated: false,
});
const machine = (device: DeviceFacts, hostGib: number | null): MachineFacts => ({
  device,
  hostBytes: hostGib === null ? null : hostGib * gibibyte,
});
const h100 = machine(card("NVIDIA H100 80GB HBM3", 79.6), 256);
const rtx4090 = card("NVIDIA GeForce RTX 4090", 24);
const unknownCard: DeviceFacts = { kind: "unknown", why: "nvidia-smi did not answer within 10000 ms" };

const usual = (one: MachineFacts, model: string, profiles = offered) =>
  placeModel(one, entryOf(model), profiles, emptyEnvelopes);
const profilesBySize = (one: MachineFacts, model: string) =>
  Object.fromEntries(usual(one, model).clips.map(({ clip, profile }) => [`${clip.width}x${clip.height}`, profile]));

describe("whether a machine carries a model", () => {
  it("an H100 carries the 14B models at 720p with their experts taking turns on the card", () => {
    expect(usual(h100, "T2V-A14B")).toMatchObject({ verdict: "fits", profile: "model-offload" });
    expect(profilesBySize(h100, "T2V-A14B")).toMatchObject({ "1280x720": "model-offload", "854x480": "model-offload" });
  });

  it("an RTX 4090 carries TI2V-5B at 720p, as its authors measured, and the 14B models at 480p in a leaner mode only", () => {
    expect(usual(machine(rtx4090, 64), "TI2V-5B")).toMatchObject({ verdict: "fits", profile: "model-offload" });
    expect(profilesBySize(machine(rtx4090, 128), "T2V-A14B")).toMatchObject({
      "1280x720": null,
      "854x480": "group-offload",
    });
  });

  it.each([
    ["the card", machine(card("NVIDIA GeForce GTX 1650", 4), 256), "device"],
    ["the host's memory", machine(card("NVIDIA H100 80GB HBM3", 79.6), 32), "host"],
    ["a machine without a card", machine({ kind: "processor", uuid: "CPU-worker-0" }, 24), "host"],
  ] as const)("says which is too small: %s", (_, one, shortOf) => {
    const placement = usual(one, "T2V-A14B");
    expect(placement).toMatchObject({ verdict: "tooLarge", profile: null });
    for (const { rows } of placement.clips)
      for (const row of rows) expect(row).toMatchObject({ verdict: "tooLarge", shortOf });
  });

  it.each([
    ["the card's memory", machine(card("NVIDIA GB10", null), 256)],
    ["the card", machine(unknownCard, 256)],
    ["the host's memory", machine(card("NVIDIA H100 80GB HBM3", 79.6), null)],
  ])("is unknown, never yes, where %s was not measured", (_, one) => {
    expect(usual(one, "T2V-A14B")).toMatchObject({ verdict: "unknown", profile: null });
  });

  it("is no, where one is not known and the other is too small in every mode", () => {
    expect(usual(machine(unknownCard, 16), "T2V-A14B").verdict).toBe("tooLarge");
  });

  it("believes this card's own renders more than the registry, both ways", () => {
    const clip = { model: t2v, width: 1280, height: 720, frames: 81 };
    const place = { deviceUuid: "GPU-1", profile: "model-offload" } as const;
    const learn = (bytes: number) => notePeak(notePeak(emptyEnvelopes, place, clip, bytes), place, clip, bytes);
    const at720p = (bytes: number) => placeModel(h100, t2v, offered, learn(bytes)).clips[0];
    expect(at720p(95 * gibibyte)?.profile).toBe("tiling");
    expect(at720p(40 * gibibyte)?.rows[0]).toMatchObject({
      deviceBytes: 40 * gibibyte,
      source: "learned",
      verdict: "fits",
    });
  });

  it("asks no memory mode that the worker does not offer", () => {
    expect(usual(machine(rtx4090, 128), "T2V-A14B", ["full", "model-offload"]).verdict).toBe("tooLarge");
    expect(placeModel(h100, t2v, loadProfiles, emptyEnvelopes).clips[0]?.rows).toHaveLength(loadProfiles.length);
  });
});

describe("what is said of it", () => {
  it("names machine, memory mode, clip and needs, and whose figures they are", () => {
    expect(placementSentence(h100, usual(h100, "T2V-A14B"))).toBe(
      "T2V-A14B fits NVIDIA H100 80GB HBM3 with 79.6 GiB and 256.0 GiB of host memory in memory mode model-offload: " +
        "1280x720 with 81 frames takes 55.7 GiB of the card and 63.4 GiB of host memory (the registry's figures, not measured here).",
    );
  });

  it("a refusal names a model that fits, in which memory mode, or that none does", () => {
    const small = machine(rtx4090, 32);
    const refuse = (one: MachineFacts) =>
      refusalSentence(one, usual(one, "T2V-A14B"), findInstead(one, t2v, entries, offered, emptyEnvelopes));
    expect(refuse(small)).toMatch(
      /in no memory mode: even a test render takes .* TI2V-5B does, in memory mode model-offload\.$/,
    );
    expect(refuse(machine(card("old", 2), 4))).toMatch(/No model of the registry does\.$/);
  });

  it("says when only clips below the usual sizes fit", () => {
    const processor = machine({ kind: "processor", uuid: "CPU-worker-0" }, 23);
    const placement = placeModel(processor, entryOf("TI2V-5B"), ["tiling"], emptyEnvelopes);
    expect(placement.verdict).toBe("fits");
    expect(placementSentence(processor, placement)).toMatch(
      /for clips below the usual sizes alone, in memory mode tiling: a test render takes /,
    );
  });

  it("says unknown with what is missing to know it", () => {
    expect(placementSentence(machine(unknownCard, 256), usual(machine(unknownCard, 256), "TI2V-5B"))).toMatch(
      /^Whether TI2V-5B fits is unknown on a card that is not known \(nvidia-smi did not answer within 10000 ms\)/,
    );
  });
});

const clip = { width: 1280, height: 720, frames: 81, steps: 40 };
const asked = { device: h100.device, model: t2v, clip, profile: "model-offload" as LoadProfile };

describe("how long a clip takes", () => {
  it("is what somebody measured on this card, for just this clip", () => {
    const time = clipTimeOf(emptyClips, asked);
    expect(time).toMatchObject({ kind: "known", ms: 1_041_500, source: "published" });
    expect(clipTimeSentence(clip, time)).toBe(
      "A clip of 1280x720 with 81 frames in 40 steps takes about 17 min (published: Wan2.2's authors (assets/comp_effic.png), 1280x720 with 81 frames in 40 steps on one H100).",
    );
  });

  it("is estimated from the nearest measurement for other sizes, steps and memory modes, and says so", () => {
    const half = clipTimeOf(emptyClips, { ...asked, clip: { ...clip, steps: 20 } });
    expect(half).toMatchObject({ kind: "known", ms: 520_750, source: "estimated" });
    const leaner = clipTimeOf(emptyClips, { ...asked, profile: "group-offload" });
    expect(leaner).toMatchObject({ source: "estimated", ms: expect.closeTo(1.6 * 1_041_500, -2) });
    expect(clipTimeOf(emptyClips, { ...asked, clip: { ...clip, width: 854, height: 480 } })).toMatchObject({
      source: "estimated",
      basis: expect.stringContaining("832x480"),
    });
  });

  it.each([
    ["a card that nobody measured", card("NVIDIA GeForce RTX 3090", 24)],
    ["a laptop's card of the same name", card("NVIDIA GeForce RTX 4090 Laptop GPU", 16)],
    ["a card whose name only begins like it", card("NVIDIA H1000", 80)],
    ["a processor", { kind: "processor", uuid: "CPU-worker-0" } as const],
    ["a simulated card", { ...card("NVIDIA H100 80GB HBM3", 80), isSimulated: true } as DeviceFacts],
    ["a card that does not answer", unknownCard],
  ])("is unknown on %s", (_, device) => {
    const time = clipTimeOf(emptyClips, { ...asked, device });
    expect(time.kind).toBe("unknown");
    expect(clipTimeSentence(clip, time)).toMatch(/^How long a clip of 1280x720 .* is unknown: /);
  });

  it("is this machine's own median as soon as it has rendered one, for any number of steps", () => {
    const place = { deviceUuid: "GPU-1", profile: "model-offload" } as const;
    const history = [900_000, 880_000, 1_400_000].reduce(
      (known, ms) => noteClip(known, place, t2v, clip, ms),
      emptyClips,
    );
    expect(clipTimeOf(history, asked)).toMatchObject({
      kind: "known",
      ms: 900_000,
      source: "history",
      basis: expect.stringMatching(/^3 /),
    });
    expect(clipTimeOf(history, { ...asked, clip: { ...clip, steps: 20 } })).toMatchObject({
      ms: 450_000,
      source: "history",
    });
    expect(
      clipTimeOf(history, { ...asked, device: { ...card("NVIDIA H100 80GB HBM3", 80), uuid: "GPU-2" } as DeviceFacts }),
    ).toMatchObject({
      source: "published",
    });
  });

  it.each([
    [400, "1 s"],
    [59_600, "1 min 0 s"],
    [154_000, "2 min 34 s"],
    [1_041_500, "17 min"],
    [3_900_000, "1 h 5 min"],
  ])("%i ms is written %s", (ms, words) => {
    expect(durationWords(ms)).toBe(words);
  });
});
