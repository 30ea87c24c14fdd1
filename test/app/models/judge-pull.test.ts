import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { judgePull } from "../../../src/app/models/judge-pull.ts";
import { createSystemClock, type SystemClock } from "../../../src/core/clock.ts";
import { createModelCatalog } from "../../../src/core/model-catalog.ts";
import { createSimModels } from "../../simulation/sim-models.ts";
import { configOf } from "../app-world.ts";

let folder: string;
let clock: SystemClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "understudy-judge-"));
  clock = createSystemClock();
});
afterEach(() => {
  clock.stop();
  rmSync(folder, { recursive: true, force: true });
});

const judge = (model: string) => {
  const { cache } = createSimModels(clock, { broken: new Set(), found: new Set() }, () => false);
  const config = configOf(
    { stateDir: folder },
    "health: { cards: none }\nworkers: [{ id: a, kind: diffusers, device: cpu }]\n",
  );
  return judgePull(config, model, { cache, clock, catalog: createModelCatalog(), cacheDir: join(folder, "cache") });
};

it("a repository that no registry describes is not refused: whether it fits is unknown, and said", async () => {
  const judgement = await judge("somebody/something");
  expect(judgement.isRefused).toBe(false);
  expect(judgement.sentences[0]).toContain("is unknown");
});

it("a known model is judged by this machine, with what the disk has", async () => {
  const { sentences, refusal, isRefused } = await judge("T2V-A14B");
  expect(sentences.at(-1)).toMatch(/has .* free; .* to fetch/);
  expect(sentences.length).toBeGreaterThan(1);
  expect([typeof isRefused, refusal.length > 0]).toEqual(["boolean", true]);
});
