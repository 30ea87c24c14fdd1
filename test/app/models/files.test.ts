import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readModelCatalog } from "../../../src/app/models/known-models.ts";
import { listLoras } from "../../../src/app/models/lora-list.ts";
import {
  downloadFiles,
  findBrokenFile,
  placeFiles,
  repairFiles,
  resolveFiles,
} from "../../../src/app/models/model-files.ts";
import { ownModelOf } from "../../../src/app/models/own-model.ts";
import { hourMs, minuteMs } from "../../../src/core/units.ts";
import { createVirtualClock, type VirtualClock } from "../../../src/core/virtual-clock.ts";
import type { ModelLoaderEvent } from "../../../src/machines/model-loader-types.ts";
import { createSimModels } from "../../simulation/sim-models.ts";
import { configOf } from "../app-world.ts";

let folder: string;
let clock: VirtualClock;
let broken: Set<string>;
let isHubDown: boolean;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "understudy-files-"));
  clock = createVirtualClock();
  broken = new Set();
  isHubDown = false;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = () => createSimModels(clock, { broken, found: new Set() }, () => isHubDown);

async function over<Result>(promise: Promise<Result>): Promise<Result> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  promise.then(end, end);
  await clock.advanceUntil(() => isOver, hourMs);
  return promise;
}

describe("a model without files", () => {
  it("lacks none, and none of them is wrong", async () => {
    const told: ModelLoaderEvent[] = [];
    downloadFiles(null, "T2V-A14B", (event) => told.push(event));
    expect(told).toEqual([{ type: "download.succeeded" }]);
    expect([await resolveFiles(null, "T2V-A14B"), await findBrokenFile(null, "T2V-A14B", true)]).toEqual([
      { kind: "present" },
      null,
    ]);
    expect(await repairFiles(null, "T2V-A14B")).toBeNull();
    await expect(placeFiles(null, "T2V-A14B")).resolves.toBeUndefined();
  });
});

describe("a model with files", () => {
  it("a broken file is found when every file is read, and a repair makes them match", async () => {
    const models = files();
    expect(await over(findBrokenFile(models, "T2V-A14B", true))).toBeNull();
    broken.add("T2V-A14B");
    expect(await over(findBrokenFile(models, "T2V-A14B", true))).not.toBeNull();
    expect(await over(repairFiles(models, "T2V-A14B"))).toBe(true);
    expect(await over(findBrokenFile(models, "T2V-A14B", true))).toBeNull();
  });

  it("a repair that the hub does not answer fails, and claims nothing", async () => {
    broken.add("T2V-A14B");
    isHubDown = true;
    await expect(over(repairFiles(files(), "T2V-A14B"))).rejects.toThrow();
  });

  it("a download tells its end, or why it failed", async () => {
    const fetch = async (): Promise<string[]> => {
      const told: ModelLoaderEvent[] = [];
      const stop = downloadFiles(files(), "T2V-A14B", (event) => told.push(event));
      await clock.advance(10 * minuteMs);
      stop();
      return told.map(({ type }) => type);
    };
    expect((await fetch()).at(-1)).toBe("download.succeeded");
    isHubDown = true;
    expect((await fetch()).at(-1)).toBe("download.failed");
  });

  it("files that are not complete are placed nowhere", async () => {
    const { cache } = files();
    const placed: string[] = [];
    const place = (model: string): void => void placed.push(model);
    const absent = { cache: { ...cache, localPath: async () => null }, place };
    await expect(placeFiles(absent, "T2V-A14B")).rejects.toMatchObject({
      code: "MODEL_NOT_AVAILABLE",
      retryable: true,
    });
    await placeFiles({ cache: { ...cache, localPath: async () => folder }, place }, "T2V-A14B");
    expect(placed).toEqual(["T2V-A14B"]);
  });
});

describe("the LoRA files of a folder", () => {
  it("are those of the right kind, below it too, by name", async () => {
    mkdirSync(join(folder, "styles"));
    for (const name of ["b.safetensors", "styles/a.safetensors", "notes.txt"])
      writeFileSync(join(folder, name), "12345");
    expect(await listLoras(folder)).toMatchObject([
      { path: "b.safetensors", bytes: 5 },
      { path: "styles/a.safetensors", bytes: 5 },
    ]);
  });

  it("are none where the folder is not configured, or not there", async () => {
    expect([await listLoras(null), await listLoras(join(folder, "nothing"))]).toEqual([[], []]);
  });
});

describe("the models of a configuration", () => {
  it("have every one that it names", () => {
    expect(readModelCatalog(configOf()).ids).toContain("T2V-A14B");
  });

  it("a name that nobody describes is refused, with the names that there are", () => {
    const config = configOf({ lead: "nobody" }, "workers: [{ id: a, models: [nobody] }]\n");
    expect(() => readModelCatalog(config)).toThrow(
      expect.objectContaining({ code: "CONFIGURATION_INVALID", message: expect.stringContaining("T2V-A14B") }),
    );
  });

  it("a registry file that cannot be read is refused", () => {
    const config = configOf({ "models.registry": join(folder, "nothing.json") });
    expect(() => readModelCatalog(config)).toThrow(expect.objectContaining({ code: "CONFIGURATION_INVALID" }));
  });

  it.each([
    [["T2V-A14B", "TI2V-5B"], "T2V-A14B"],
    [["TI2V-5B"], "TI2V-5B"],
    [[], "T2V-A14B"],
  ])("a worker that offers %j holds %s while no job wants another", (models, expected) => {
    const [worker] = configOf().workers;
    if (worker === undefined) throw new Error("there is no worker");
    expect(ownModelOf({ workers: [{ ...worker, models }], lead: "T2V-A14B" }, worker.id)).toBe(expected);
  });
});
