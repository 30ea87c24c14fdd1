import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findLoraProblem } from "../../../src/app/models/lora-header.ts";

let folder: string;
let outside: string;
beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), "understudy-loras-"));
  folder = join(root, "loras");
  outside = join(root, "other.safetensors");
  mkdirSync(join(folder, "styles"), { recursive: true });
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

/** The format: the header's length, the header, and as many bytes of weights as it names. */
function fileOf(header: unknown, weightBytes: number): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(weightBytes)]);
}
const weights = { "lora.up": { dtype: "F16", shape: [2, 2], data_offsets: [0, 8] }, __metadata__: { format: "pt" } };

it.each(["ink.safetensors", "styles/ink.safetensors"])("a whole file is taken: %s", async (name) => {
  writeFileSync(join(folder, name), fileOf(weights, 8));
  expect(await findLoraProblem(folder, name)).toBeNull();
});

it.each<[string, Buffer | string]>([
  ["holds no weights", fileOf({ __metadata__: {} }, 0)],
  ["is not a whole safetensors file", fileOf(weights, 7)],
  ["is not a whole safetensors file", fileOf(weights, 9)],
  ["is not a whole safetensors file", fileOf(weights, 8).subarray(0, 30)],
  ["is not a whole safetensors file", fileOf("[1, 2]", 8)],
  ["is not a whole safetensors file", fileOf("{ no JSON", 8)],
  ["is not a whole safetensors file", fileOf({ "lora.up": { dtype: "F16" } }, 8)],
  ["is not a whole safetensors file", ""],
  ["is not a whole safetensors file", "<html>Not Found</html>"],
])("a file that %s is refused by what it is", async (defect, content) => {
  writeFileSync(join(folder, "ink.safetensors"), content);
  expect(await findLoraProblem(folder, "ink.safetensors")).toEqual({
    code: "LORA_UNSUPPORTED",
    detail: `cannot be applied: ink.safetensors ${defect}`,
  });
});

it("a name without a file is refused, and so are a folder and a link that leads out of the LoRA directory", async () => {
  writeFileSync(outside, fileOf(weights, 8));
  symlinkSync(outside, join(folder, "link.safetensors"));
  mkdirSync(join(folder, "folder.safetensors"));
  for (const name of ["gone.safetensors", "folder.safetensors", "link.safetensors"])
    expect(await findLoraProblem(folder, name)).toEqual({
      code: "REQUEST_INVALID",
      detail: `names no file below the LoRA directory: there is no ${name}`,
    });
});

it("where no directory is configured only the worker knows, and nothing is refused", async () => {
  expect(await findLoraProblem(null, "gone.safetensors")).toBeNull();
});
