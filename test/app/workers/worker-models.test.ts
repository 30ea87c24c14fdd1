import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWorkerModels } from "../../../src/app/workers/worker-models.ts";
import { createModelCatalog } from "../../../src/core/model-catalog.ts";

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "understudy-worker-models-"));
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const [builtIn, ...others] = createModelCatalog().entries;
if (builtIn === undefined) throw new Error("there is no built-in model");
const catalog = createModelCatalog([
  { ...builtIn, id: "of-another-worker", pipeline: { ...builtIn.pipeline, className: "none" } },
]);

describe("the models as workers see them", () => {
  it("the list names each model that a pipeline loads, and where its files come to lie", () => {
    const { listPath, modelsDir } = createWorkerModels(stateDir, catalog);
    const list = JSON.parse(readFileSync(listPath, "utf8")) as Readonly<Record<string, unknown>>;
    expect(Object.keys(list).toSorted()).toEqual([builtIn, ...others].map(({ id }) => id).toSorted());
    expect(JSON.stringify(list[builtIn.id])).toContain(join(modelsDir, builtIn.id));
  });

  it("a pull moves a model's place to its new folder in one step", () => {
    const models = createWorkerModels(stateDir, catalog);
    for (const name of ["first", "second"]) {
      const folder = join(stateDir, name);
      mkdirSync(folder);
      models.place("T2V-A14B", folder);
      expect(realpathSync(join(models.modelsDir, "T2V-A14B"))).toBe(realpathSync(folder));
    }
  });
});
