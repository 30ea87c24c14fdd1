import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readHubEnvironment } from "../../src/config/hub-environment.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { loadProfiles, modelIds } from "../../src/core/words.ts";
import { assertSafePath, chooseFiles, type ListedFile } from "../../src/models/model-files.ts";
import { parseRegistry, sourceOf } from "../../src/models/registry.ts";
import { ModelWorld } from "./model-world.ts";

const own = {
  repository: "studio/our-video",
  revision: "v2",
  pipelineClass: "OurPipeline",
  sizes: { step: 32, cell: 32 },
  defaults: { frames: 49, steps: 30, framesPerSecond: 12 },
  weights: "9GB",
  render: { guidanceScale: 5 },
  profiles: { full: { base: "9GB", perToken: "400KB" } },
};
const load = (models: object) =>
  createModelCatalog(parseRegistry({ path: "models.json", text: JSON.stringify({ models }) }));

describe("the registry", () => {
  it("knows the three Wan models without any file, each in every load profile", () => {
    const { entries } = createModelCatalog();
    expect(entries.map(({ id, source }) => [id, source.repository])).toEqual(
      modelIds.map((id) => [id, `Wan-AI/Wan2.2-${id}-Diffusers`]),
    );
    for (const { profiles } of entries) expect(Object.keys(profiles)).toEqual([...loadProfiles]);
  });

  it("is a value: what one file adds or replaces, no other catalogue of the process has", () => {
    const before = createModelCatalog();
    const catalog = load({ "our-video": own, "TI2V-5B": { ...own, weights: "1GB" } });
    expect(catalog.ids).toEqual([...modelIds, "our-video"]);
    expect(catalog.entryOf("TI2V-5B").weightBytes).toBe(1e9);
    for (const other of [before, createModelCatalog()]) {
      expect(other.ids).toEqual(modelIds);
      expect(other.entryOf("TI2V-5B").weightBytes).toBe(21e9);
      expect(() => other.entryOf("our-video")).toThrow(/There is no model our-video; there are T2V-A14B/);
    }
  });

  it("takes further models from a file, and entries that replace built-in ones", () => {
    const catalog = load({ "our-video": own, "TI2V-5B": { ...own, repository: undefined, folder: "/models/wan-5b" } });
    expect(sourceOf(catalog, "our-video")).toMatchObject({
      repository: "studio/our-video",
      revision: "v2",
      files: ["*"],
    });
    expect(sourceOf(catalog, "our-video", "v3")).toMatchObject({ revision: "v3" });
    expect(sourceOf(catalog, "TI2V-5B")).toMatchObject({ folder: "/models/wan-5b" });
    expect(catalog.entryOf("our-video")).toMatchObject({
      weightBytes: 9e9,
      profiles: { full: { bytesPerToken: 400_000 } },
    });
  });

  it.each([
    ["both a repository and a folder", { a: { ...own, folder: "/x" } }, /either a repository or a folder/],
    ["neither", { a: { ...own, repository: undefined } }, /either a repository or a folder/],
    ["a size without its unit", { a: { ...own, weights: "9" } }, /models\.a\.weights must be a size with its unit/],
    ["an unknown key", { a: { ...own, colour: "red" } }, /colour/],
    ["a repository that is none", { a: { ...own, repository: "../../etc" } }, /must be org\/name/],
    ["an id that is a path", { "../a": own }, /letters, digits/],
  ])("refuses an entry with %s in one sentence", (_, models, sentence) => {
    expect(() => load(models)).toThrow(sentence);
    expect(() => load(models)).toThrow(/The registry file models\.json/);
  });

  it("a local folder is complete when it holds a pipeline, and is neither pulled nor removed", async () => {
    const world = await ModelWorld.start();
    const folder = mkdtempSync(join(tmpdir(), "understudy-folder-"));
    try {
      const cache = world.openCache({ catalog: load({ mine: { ...own, repository: undefined, folder } }) });
      expect(await cache.statusOf("mine")).toMatchObject({ state: "absent", path: null });
      expect(cache.canPull("mine")).toBe(false);
      await expect(cache.pull("mine")).rejects.toThrow(
        /local folder of mine holds no model_index\.json: put the model's files there/,
      );
      writeFileSync(join(folder, "model_index.json"), "{}");
      expect(await cache.statusOf("mine")).toMatchObject({ state: "complete", path: folder, presentBytes: 2 });
      // Nothing says which bytes are right, so nothing is wrong: a load goes on to the worker.
      expect(await cache.verify("mine", { isRehash: true })).toMatchObject({ isKnown: false, problems: [] });
      await expect(cache.pull("mine")).rejects.toThrow(/local folder/);
      await expect(cache.remove("mine")).rejects.toThrow(/local folder/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
      await world.stop();
    }
  });
});

describe("the choice of files", () => {
  const listed = (path: string): ListedFile => ({ path, sizeBytes: 1, etag: "0", algorithm: "sha256" });
  const choose = (paths: readonly string[], patterns: readonly string[]): string[] =>
    chooseFiles(paths.map(listed), patterns).map(({ path }) => path);

  it("takes no pickle and no program, even where a pattern names it", () => {
    const paths = ["a.safetensors", "a.bin", "a.pt", "a.ckpt", "a.pkl", "a.py", "a.SAFETENSORS", "config.json"];
    expect(choose(paths, ["*", "a.bin", "a.py"])).toEqual(["a.safetensors", "a.SAFETENSORS", "config.json"]);
  });

  it("matches as huggingface_hub does: stars match slashes, a folder is all below it, dots are dots", () => {
    const paths = [
      "vae/config.json",
      "vae/deep/a.safetensors",
      "vaexconfig.json",
      "model_index.json",
      "transformer/x.json",
    ];
    expect(choose(paths, ["vae/*"])).toEqual(["vae/config.json", "vae/deep/a.safetensors"]);
    expect(choose(paths, ["transformer/", "model_index?json"])).toEqual(["model_index.json", "transformer/x.json"]);
  });

  it.each(["../a.json", "/etc/a.json", "a/../../b.json", "a//b.json", "a\\b.json", "a\u0000.json", "", "a/./b.json"])(
    "refuses the path %j, which would lead elsewhere",
    (path) => {
      expect(() => assertSafePath(path)).toThrow(/unsafe path/);
    },
  );
});

describe("the variables of Hugging Face's tools", () => {
  it.each([
    [{ HOME: "/h" }, "/h/.cache/huggingface/hub"],
    [{ HOME: "/h", XDG_CACHE_HOME: "/c" }, "/c/huggingface/hub"],
    [{ HOME: "/h", XDG_CACHE_HOME: "/c", HF_HOME: "/f" }, "/f/hub"],
    [{ HOME: "/h", HF_HOME: "/f", HF_HUB_CACHE: "/k" }, "/k"],
    [{ HOME: "/h", HF_HOME: " " }, "/h/.cache/huggingface/hub"],
  ])("%j puts the cache at %s", (environment, cacheDir) => {
    expect(readHubEnvironment(environment)).toMatchObject({
      cacheDir,
      endpoint: "https://huggingface.co",
      token: null,
    });
  });

  it("name the hub, the token and the file of a saved token", () => {
    const environment = { HOME: "/h", HF_ENDPOINT: "http://mirror", HF_TOKEN: " t \n", HF_TOKEN_PATH: "/t" };
    expect(readHubEnvironment(environment)).toMatchObject({ endpoint: "http://mirror", token: "t", tokenPath: "/t" });
    expect(readHubEnvironment({ HOME: "/h" }).tokenPath).toBe("/h/.cache/huggingface/token");
  });
});
