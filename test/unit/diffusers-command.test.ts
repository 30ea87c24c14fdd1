import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { diffusersCommand, installedPython, workerPackageDir } from "../../src/workers/diffusers-command.ts";

describe("the command of the diffusers worker", () => {
  it("starts the interpreter itself, as a module, and its package is where the path says", () => {
    const { file, args, env } = diffusersCommand({ modelsDir: "/models", registry: "/etc/models.json" });
    expect([file, args]).toEqual([installedPython, ["-B", "-m", "understudy_worker"]]);
    expect(env["PYTHONPATH"]).toBe(workerPackageDir);
    expect(existsSync(`${workerPackageDir}/understudy_worker/__main__.py`)).toBe(true);
  });

  it("hands on what was set, and leaves the worker's own defaults alone", () => {
    const { env } = diffusersCommand({ modelsDir: "/models", registry: "/etc/models.json" });
    expect(Object.keys(env).filter((name) => name.startsWith("UNDERSTUDY_"))).toEqual([
      "UNDERSTUDY_MODELS_DIR",
      "UNDERSTUDY_MODELS",
    ]);
    const set = diffusersCommand({
      python: "/opt/python",
      modelsDir: "/models",
      registry: "/etc/models.json",
      loraDir: "/loras",
      device: "cuda",
      deviceDir: "/run/device",
      checkpointMs: 5_000,
    });
    expect(set.file).toBe("/opt/python");
    expect(set.env).toMatchObject({
      UNDERSTUDY_MODELS_DIR: "/models",
      UNDERSTUDY_MODELS: "/etc/models.json",
      UNDERSTUDY_LORA_DIR: "/loras",
      UNDERSTUDY_DEVICE: "cuda",
      UNDERSTUDY_DEVICE_DIR: "/run/device",
      UNDERSTUDY_CHECKPOINT_MS: "5000",
    });
  });
});
