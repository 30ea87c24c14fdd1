/**
 * The LoRA files that a job may name. The folder is read at each question: whoever puts a file there needs no restart.
 */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LoraFile } from "../../server/server-ports.ts";

const mostFiles = 1_000;

/** The .safetensors files below a folder, by name; none where the folder is not configured or not there. */
export async function listLoras(folder: string | null): Promise<readonly LoraFile[]> {
  if (folder === null) return [];
  const root = resolve(folder);
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT" || thrown.code === "ENOTDIR") return [];
      throw thrown;
    },
  );
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".safetensors"))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted()
    .slice(0, mostFiles);
  return Promise.all(
    paths.map(async (path) => {
      const { size, mtimeMs } = await stat(join(root, path));
      return { path, bytes: size, modifiedAtMs: Math.round(mtimeMs) };
    }),
  );
}
